import pytest

from schemas.errors import SettingsError
from service.tracing.switch import TracingSettings


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "cxr", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "false", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
    ],
)
def test_an_address_or_an_exporter_switches_traces_on_and_two_variables_switch_them_off(environment, on) -> None:
    assert TracingSettings.of(environment).on is on


def test_an_exporter_or_a_protocol_that_is_not_here_is_refused_with_the_remedy() -> None:
    with pytest.raises(SettingsError, match=r"OTEL_TRACES_EXPORTER='zipkin'.*set otlp or none"):
        TracingSettings.of({"OTEL_TRACES_EXPORTER": "zipkin"})
    with pytest.raises(SettingsError, match=r"OTEL_EXPORTER_OTLP_PROTOCOL='grpc'.*http/protobuf"):
        TracingSettings.of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("OTEL_SERVICE_NAME", "chest", True),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=chest", True),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test", False),
    ],
)
def test_the_operators_name_of_the_service_counts(variable, value, named) -> None:
    assert TracingSettings.of({"OTEL_TRACES_EXPORTER": "otlp", variable: value}).named is named
