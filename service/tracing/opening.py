"""What the settings ask for: no traces, or those of the SDK, which is loaded here and not before."""

from typing import Final

from fastapi.telemetry import TelemetryConfig

from schemas.errors import SettingsError
from service.tracing.metrics import TracingMetrics
from service.tracing.span import OFF, Tracing
from service.tracing.switch import TracingSettings

NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own would send addresses, which hold UIDs, and texts of errors; ours takes its place."""


def open_tracing(settings: TracingSettings, metrics: TracingMetrics) -> Tracing:
    """The tracing of the settings.

    Raises:
        SettingsError: traces are asked for, and the extra `otel` is not installed; or see `SdkTracing`.
    """
    if not settings.on:
        return OFF
    try:
        from service.tracing.sdk import SdkTracing  # noqa: PLC0415 nothing of it is loaded while traces are off
    except ImportError as error:
        msg = (
            "the OTEL_ variables ask for traces, and OpenTelemetry is not installed; install cxr-classifier[otel], or "
            "set OTEL_SDK_DISABLED=true"
        )
        raise SettingsError(msg) from error
    return SdkTracing(settings, metrics)
