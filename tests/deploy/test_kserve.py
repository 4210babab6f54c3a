"""Rules of the example of a KServe InferenceService: what it states of the container is true of this service."""

from fnmatch import fnmatch

import kubernetes_validate
import pytest
import yaml

from service.app import create_app
from service.settings import VARIABLES
from tests.docs.pages import ROOT
from tests.service.chosen import settings_of

DOCUMENT = yaml.safe_load((ROOT / "deploy/kserve/inferenceservice.yaml").read_text())
OF_KSERVE = ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout")
"""Fields of a predictor in addition to those of a pod (ComponentExtensionSpec of serving.kserve.io/v1beta1)."""


@pytest.fixture(scope="module")
def pod():
    """The predictor as the pod that KServe makes of it."""
    spec = {name: value for name, value in DOCUMENT["spec"]["predictor"].items() if name not in OF_KSERVE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": spec}


def container(pod):
    (only,) = pod["spec"]["containers"]
    return only


def test_the_predictor_is_a_pod_by_kubernetes_own_schema(pod) -> None:
    kubernetes_validate.validate(pod, "1.34", strict=True)


def test_the_container_is_the_one_that_kserve_looks_for(pod) -> None:
    assert (DOCUMENT["apiVersion"], DOCUMENT["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert container(pod)["name"] == "kserve-container"
    assert pod["spec"]["enableServiceLinks"] is False


def test_every_variable_is_a_setting_and_every_probe_an_address_that_needs_no_key(pod) -> None:
    paths = create_app(settings_of()).api.openapi()["paths"]
    probes = {probe["httpGet"]["path"] for name, probe in container(pod).items() if name.endswith("Probe")}

    assert {each["name"] for each in container(pod)["env"]} <= set(VARIABLES)
    assert probes == {"/v2/health/live", "/v2/health/ready"}
    assert all("security" not in paths[probe]["get"] for probe in probes)


def test_the_container_writes_nowhere_but_into_memory(pod) -> None:
    context = container(pod)["securityContext"]
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    writable = [each["name"] for each in container(pod)["volumeMounts"] if not each.get("readOnly")]

    assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
    assert [volumes[name]["emptyDir"]["medium"] for name in writable] == ["Memory"]


def test_the_user_is_that_of_the_image(pod) -> None:
    lines = (ROOT / "Dockerfile.api").read_text().splitlines()

    assert [line for line in lines if fnmatch(line, "USER *")] == [
        f"USER {pod['spec']['securityContext']['runAsUser']}"
    ]
