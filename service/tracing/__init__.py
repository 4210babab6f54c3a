"""Traces: one seam for spans, which costs nothing while it is off; `sdk` alone knows OpenTelemetry, and is loaded late.

`span` is what the service calls, `switch` reads the OTEL_ variables, `tracing` opens what they ask for.
"""
