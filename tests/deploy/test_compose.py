"""docker-compose.yml passes on what an operator may choose."""

import re

import pytest
import yaml
from pydantic import ValidationError

from service.settings import VARIABLES, SecuritySettings, ServerSettings
from service.tracing.switch import DISABLED, ENDPOINTS, EXPORTER
from tests.deploy.expressions import ROOT

FIXED = {"CXR_HOST", "CXR_PORT"}
"""Addresses inside of the container."""
OF_TRACES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
}
"""The standard variables of OpenTelemetry that make sense here."""


def test_every_setting_of_the_service_can_be_given_from_outside() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    names = (VARIABLES.keys() - FIXED) | {"TZ"} | OF_TRACES

    assert services["api-gpu"]["environment"].keys() == names
    assert services["api"]["environment"].keys() == names - {"CXR_PROVIDER"}  # its image has no CUDA


def test_the_variables_of_traces_are_passed_on_as_they_are_and_those_of_the_page() -> None:
    environment = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["api"]["environment"]
    page = set(re.findall(r"`(OTEL_[A-Z_]+)`", (ROOT / "docs/tracing.md").read_text()))

    assert {environment[name] for name in OF_TRACES} == {None}  # nobody sets one by leaving it out
    assert {EXPORTER, DISABLED, *ENDPOINTS} <= page <= OF_TRACES


def test_the_bundles_of_the_image_are_in_the_volume_before_a_service_reads_it() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    step = services["bundles"]

    assert step["command"] == ["python", "-m", "bundle.shipping", "/app/models", "/models"]
    assert step["volumes"] == ["models:/models"]  # not over /app/models, which is what the image contains
    assert step["restart"] == "no"
    for name in ("api", "api-gpu"):
        assert services[name]["depends_on"]["bundles"] == {"condition": "service_completed_successfully"}
        assert "models:/app/models:ro" in services[name]["volumes"]


def test_every_image_of_ours_is_built_on_the_base_that_is_asked_for() -> None:
    for file in ("docker-compose.yml", "deploy/debian/docker-compose.yml"):
        built = [
            row["build"] for row in yaml.safe_load((ROOT / file).read_text())["services"].values() if "build" in row
        ]

        assert built
        assert all("BASE_IMAGE" in build["args"] for build in built)


def test_the_images_are_prepared_for_both_architectures() -> None:
    bake = (ROOT / "docker-bake.hcl").read_text()

    assert 'platforms = ["linux/amd64", "linux/arm64"]' in bake
    assert re.findall(r'^target "(.+)" \{', bake, re.MULTILINE) == ["image", "api", "api-gpu", "train"]
    assert re.findall(r'inherits   = \["(.+)"\]', bake) == ["image"] * 3
    assert all((ROOT / name).exists() for name in re.findall(r'dockerfile = "(.+)"', bake))


def seconds(text):
    """Of a duration, with the defaults of the file."""
    found = re.fullmatch(r"\$\{CXR_STOP_GRACE_S:-(\d+)\}s", text)
    return int(found[1])


@pytest.mark.parametrize("name", ["api", "api-gpu", "dimse"])
def test_a_container_has_more_time_to_end_than_its_service_takes(name) -> None:
    row = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]
    stop_grace_s = seconds(row["stop_grace_period"])

    assert row["environment"]["CXR_STOP_GRACE_S"] == f"${{CXR_STOP_GRACE_S:-{stop_grace_s}}}"
    assert ServerSettings(stop_grace_s=stop_grace_s, drain_s=40).shutdown_grace_s == 30
    with pytest.raises(ValidationError, match="take 90 s after SIGTERM"):
        ServerSettings(stop_grace_s=stop_grace_s, drain_s=60)


def test_debians_file_changes_neither_the_end_nor_the_settings_of_the_service() -> None:
    services = yaml.safe_load((ROOT / "deploy/debian/docker-compose.yml").read_text())["services"]

    assert services.keys().isdisjoint({"api", "api-gpu", "dimse"})


def test_the_stack_is_open_on_loopback_until_there_are_keys() -> None:
    row = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["api"]
    default = re.fullmatch(r"\$\{CXR_ALLOW_ANONYMOUS:-(\w+)\}", row["environment"]["CXR_ALLOW_ANONYMOUS"])[1]
    security = SecuritySettings(allow_anonymous=default)

    assert [port.startswith("127.0.0.1:") for port in row["ports"]] == [True]
    assert security.lets_anybody_in(knows_callers=False)
    assert not security.lets_anybody_in(knows_callers=True)
    assert SecuritySettings(allow_anonymous="true").lets_anybody_in(knows_callers=True)


def test_orthanc_gets_a_key_for_a_service_that_is_closed() -> None:
    orthanc = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["orthanc"]

    assert orthanc["environment"]["CXR_DICOMWEB_API_KEY"] == "${CXR_DICOMWEB_API_KEY:-}"
    assert '"X-API-Key": "${CXR_DICOMWEB_API_KEY:-}"' in (ROOT / "deploy/orthanc/dicomweb.json").read_text()
