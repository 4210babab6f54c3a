"""Whether traces are asked for, by the variables that OpenTelemetry names; the SDK reads all others itself.

Source: OpenTelemetry 1.50, "Environment Variable Specification" and "OpenTelemetry Protocol Exporter".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from schemas.errors import SettingsError

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTER: Final = "OTEL_TRACES_EXPORTER"
DISABLED: Final = "OTEL_SDK_DISABLED"


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """What decides whether there are traces."""

    on: bool = False
    named: bool = False
    """Whether the operator has named the service; else it is `cxr`, as in the logs."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read them; an address of a collector switches traces on, and so does a named exporter.

        Raises:
            SettingsError: an exporter or a protocol is asked for that is not here.
        """
        values = {name: value.strip() for name, value in environment.items() if name.startswith("OTEL_")}
        exporter = values.get(EXPORTER, "").lower()
        asked = exporter or any(values.get(name) for name in ENDPOINTS)
        if not asked or exporter == "none" or values.get(DISABLED, "").lower() == "true":
            return cls()
        if exporter not in ("", "otlp"):
            msg = f"{EXPORTER}={exporter!r} is not an exporter of this service; set otlp or none, or remove it"
            raise SettingsError(msg)
        for name in PROTOCOLS:
            if (protocol := values.get(name, "")) not in ("", "http/protobuf"):
                msg = (
                    f"{name}={protocol!r} is not a protocol of this service; set http/protobuf and an endpoint that "
                    "speaks it, usually port 4318"
                )
                raise SettingsError(msg)
        named = bool(values.get("OTEL_SERVICE_NAME")) or "service.name=" in values.get("OTEL_RESOURCE_ATTRIBUTES", "")
        return cls(on=True, named=named)


NO_TRACES: Final = TracingSettings()
