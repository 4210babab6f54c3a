"""The chart and the manifests rendered from it: what the cluster is asked for is what the service does."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are no dependency
import kubernetes_validate
import pytest
import yaml
from prometheus_client import CollectorRegistry

from bundle.stores.address import parse_address
from deploy.kubernetes.sources import FOLDER, RULES, digest_of_sources
from schemas.version import VERSION
from service.metrics import Metrics
from service.settings import VARIABLES, VARIABLES_OF_OTHER_PROGRAMS
from service.settings.access import ServerSettings
from service.sharing.counters import SharingMetrics

ROOT = Path(__file__).parent.parent.parent
CHART = FOLDER / "chart"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
VARIANTS = sorted(path.stem for path in (FOLDER / "variants").glob("*.yaml"))
OTHER_KINDS = {"ServiceMonitor", "PrometheusRule"}
"""Of the Prometheus Operator; Kubernetes has no schema of them."""


def objects(variant: str) -> list[dict[str, Any]]:
    text = (FOLDER / "manifests" / f"{variant}.yaml").read_text()
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(variant: str, kind: str) -> dict[str, Any]:
    (found,) = (each for each in objects(variant) if each["kind"] == kind)
    return found


def pods(variant: str) -> list[dict[str, Any]]:
    """Templates of pods: of the Deployment and of the Job."""
    return [each["spec"]["template"] for each in objects(variant) if each["kind"] in {"Deployment", "Job"}]


def environment(variant: str) -> dict[str, Any]:
    (container,) = of_kind(variant, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_manifests_are_those_of_the_chart_and_of_the_variant(variant) -> None:
    head = (FOLDER / "manifests" / f"{variant}.yaml").read_text().splitlines()[1]

    assert head == f"# Sources: sha256 {digest_of_sources()}", "run make manifests"


def test_there_is_a_manifest_of_each_variant_and_no_other() -> None:
    assert sorted(path.stem for path in (FOLDER / "manifests").iterdir()) == VARIANTS


@pytest.mark.parametrize("version", ["1.29", "1.32", "1.37"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_schemas_of_kubernetes_know_every_field(variant, version) -> None:
    for each in objects(variant):
        if each["kind"] not in OTHER_KINDS:
            kubernetes_validate.validate(each, version, strict=True)


def test_the_schemas_refuse_a_field_that_does_not_exist() -> None:
    deployment = of_kind("cpu", "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnlyRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRoot"):
        kubernetes_validate.validate(deployment, "1.32", strict=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_pod_may_more_than_it_needs(variant) -> None:
    for pod in pods(variant):
        spec = pod["spec"]
        (container,) = spec["containers"]
        security = container["securityContext"]

        assert (spec["enableServiceLinks"], spec["automountServiceAccountToken"]) == (False, False)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def test_the_user_is_that_of_the_images() -> None:
    for name in ("Dockerfile.api", "Dockerfile.train"):
        text = (ROOT / name).read_text()

        assert "--uid 10001" in text
        assert "\nUSER 10001\n" in text


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_written_is_a_volume(variant) -> None:
    (container,) = of_kind(variant, "Deployment")["spec"]["template"]["spec"]["containers"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}

    assert writable == {"/tmp"} | {
        "one": {"/app/spool"},
        "replicas": {"/app/.cache/bundles", environment("replicas")["CXR_JOBS_FOLDER"]},
    }.get(variant, set())


@pytest.mark.parametrize("variant", VARIANTS)
def test_kubernetes_waits_longer_than_the_service_takes_to_end(variant) -> None:
    spec = of_kind(variant, "Deployment")["spec"]["template"]["spec"]
    variables = environment(variant)
    pre_stop_s = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    server = ServerSettings(
        drain_s=float(variables["CXR_DRAIN_S"]),
        shutdown_grace_s=int(variables["CXR_SHUTDOWN_GRACE_S"]),
        stop_grace_s=int(variables["CXR_STOP_GRACE_S"]),  # the service refuses it where it is too short
    )

    assert server.stop_grace_s is not None
    assert spec["terminationGracePeriodSeconds"] == pre_stop_s + server.stop_grace_s
    assert server.stop_grace_s > server.drain_s + server.shutdown_grace_s


def test_the_grace_of_the_chart_is_the_default_of_the_service() -> None:
    assert VALUES["drain"]["shutdownGraceS"] == ServerSettings().shutdown_grace_s


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variable_is_a_setting(variant) -> None:
    known = VARIABLES.keys() | VARIABLES_OF_OTHER_PROGRAMS | {"REGISTRY_AUTH_FILE"}
    section_of = {variable: section for variable, (section, _) in VARIABLES.items()}

    assert environment(variant).keys() - known == set()
    assert set(section_of) >= {"CXR_DRAIN_S", "CXR_SHUTDOWN_GRACE_S", "CXR_STOP_GRACE_S"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_probes_ask_the_addresses_of_health(variant) -> None:
    (container,) = of_kind(variant, "Deployment")["spec"]["template"]["spec"]["containers"]
    asked = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}

    assert asked == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_the_autoscaler_and_the_adapter_ask_for_metrics_that_the_service_exports() -> None:
    exported = {family.name: family.type for family in Metrics().registry.collect()}
    scaled = [
        metric["pods"]["metric"]["name"] for metric in of_kind("replicas", "HorizontalPodAutoscaler")["spec"]["metrics"]
    ]
    adapter = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    (names,) = re.findall(r"\^\((.*?)\)\$", rule["seriesQuery"])

    assert scaled == names.split("|")
    assert {exported[name] for name in scaled} == {"gauge"}


def test_an_autoscaled_deployment_leaves_the_number_of_replicas_to_the_autoscaler() -> None:
    assert "replicas" not in of_kind("replicas", "Deployment")["spec"]
    assert of_kind("cpu", "Deployment")["spec"]["replicas"] == VALUES["replicas"]


@pytest.mark.parametrize("name", RULES)
def test_the_rules_of_prometheus_have_one_source(name) -> None:
    shipped = ROOT / "deploy/prometheus" / name
    rendered = [each["spec"]["groups"] for each in objects("replicas") if each["kind"] == "PrometheusRule"]

    assert (CHART / "files" / name).read_bytes() == shipped.read_bytes(), "run make manifests"
    assert yaml.safe_load(shipped.read_text())["groups"] in rendered


@pytest.mark.parametrize("variant", VARIANTS)
def test_selectors_find_the_pods_of_the_service_and_no_others(variant) -> None:
    every = objects(variant)
    (api, *others) = (each["metadata"]["labels"] for each in pods(variant))
    selectors = [
        each["spec"]["selector"] for each in every if each["kind"] == "Service" and "clusterIP" not in each["spec"]
    ]
    selectors += [
        each["spec"]["selector"]["matchLabels"]
        for each in every
        if each["kind"] in {"Deployment", "PodDisruptionBudget"}
    ]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in every if each["kind"] == "NetworkPolicy"]
    for selector in selectors:
        assert selector.items() <= api.items()
        assert not [labels for labels in others if selector.items() <= labels.items()]


def test_nothing_is_reached_and_nobody_reaches_it_unless_that_is_named() -> None:
    policy = of_kind("replicas", "NetworkPolicy")["spec"]
    callers = [peer for rule in policy["ingress"] for peer in rule["from"]]

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443, 5432}
    assert {json.dumps(peer) for peer in callers}.isdisjoint({"{}"})
    assert [port for rule in policy["ingress"] for port in rule["ports"]] == [{"protocol": "TCP", "port": "http"}]


def test_the_variants_differ_in_what_they_are_for() -> None:
    (gpu,) = of_kind("gpu", "Deployment")["spec"]["template"]["spec"]["containers"]

    assert gpu["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert gpu["image"] == f"cxr-api-gpu:{VERSION}"
    assert environment("gpu")["CXR_PROVIDER"] == "cuda"
    assert "CXR_PROVIDER" not in environment("cpu")
    assert environment("cpu")["CXR_FILM_PROCESSES"] == str(VALUES["cores"])
    assert "CXR_FILM_PROCESSES" not in environment("gpu")  # none may be forked around CUDA
    assert environment("replicas")["CXR_SPOOL_URL"] == {"secretKeyRef": {"name": "cxr-spool", "key": "url"}}
    assert environment("replicas")["CXR_MODELS_DIR"].startswith("oci://")
    assert of_kind("one", "Deployment")["spec"]["strategy"] == {"type": "Recreate"}


def test_the_trainers_of_several_machines_meet_at_the_first_pod() -> None:
    job = of_kind("training", "Job")["spec"]
    (container,) = job["template"]["spec"]["containers"]
    service = next(each for each in objects("training") if each["kind"] == "Service" and "clusterIP" in each["spec"])

    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 2, 2)
    assert container["args"][-3:] == ["--devices=4", "--nodes=2", "--rendezvous=cxr-training-0.cxr-training:29400"]
    assert job["template"]["spec"]["subdomain"] == service["metadata"]["name"] == "cxr-training"
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_schema_of_the_values_admits_the_defaults_and_the_variants(variant) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    chosen = yaml.safe_load((FOLDER / "variants" / f"{variant}.yaml").read_text())

    jsonschema.validate(VALUES, schema)
    jsonschema.validate(chosen, schema)


@pytest.mark.parametrize(
    "settings",
    [
        {"DOCKER_CONFIG": "/run/secrets/registry"},
        {"REGISTRY_AUTH_FILE": "/run/secrets/registry/.dockerconfigjson"},
        {"GOOGLE_SERVICE_ACCOUNT": "/run/secrets/google/key.json"},
        {"AZURE_STORAGE_ACCOUNT_NAME": "films"},
        {"AWS_REGION": "eu-central-1"},
        {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8"},
    ],
)
def test_the_schema_of_the_values_admits_what_logs_in_to_a_store(settings) -> None:
    jsonschema.validate({"settings": settings}, json.loads((CHART / "values.schema.json").read_text()))


@pytest.mark.parametrize("address", ["oci://registry/cxr:1", "s3://bucket/models", "gs://bucket", "az://films/models"])
def test_an_address_of_the_values_is_one_of_the_service(address) -> None:
    jsonschema.validate({"models": {"address": address}}, json.loads((CHART / "values.schema.json").read_text()))

    assert str(parse_address(address)) == address


@pytest.mark.parametrize(
    "wrong",
    [
        {"replica": 3},
        {"replicas": 0},
        {"settings": {"PATH": "/"}},
        {"spool": {"kind": "mysql"}},
        {"models": {"source": "address", "address": "registry/cxr"}},
        {"models": {"source": "address", "address": "https://registry.example/cxr"}},
        {"envFrom": [{"secret": "cxr-store"}]},
        {"serviceAccount": {"name": "other"}},
        {"image": {"repository": "cxr", "digest": "latest"}},
        {"memory": "2 GB"},
        {"podLabels": {"app.kubernetes.io/component": "training"}},
        {"podLabels": {"azure.workload.identity/use": True}},
    ],
)
def test_the_schema_of_the_values_refuses_what_is_misspelt(wrong) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_shared_state_is_watched_by_metrics_that_exist() -> None:
    registry = CollectorRegistry()
    SharingMetrics(registry)

    assert {family.name for family in registry.collect()} == {
        "cxr_shared_state_fallbacks",
        "cxr_shared_state_available",
    }


def test_the_renderer_needs_nothing_of_this_project_but_its_folder() -> None:
    text = (FOLDER / "__main__.py").read_text() + (FOLDER / "sources.py").read_text()
    imported = set(re.findall(r"^\s*(?:from|import) ([a-z_]+)", text, re.MULTILINE))

    assert imported - set(sys.stdlib_module_names) == {"deploy", "helm_python"}


@pytest.mark.process
@pytest.mark.parametrize(("index", "published"), [(None, True), ("0", True), ("1", False)])
def test_of_the_pods_that_train_one_run_the_first_publishes_it(tmp_path, monkeypatch, index, published) -> None:
    (tmp_path / "python").write_text('#!/bin/sh\necho "$2"\n')
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    if index is not None:
        monkeypatch.setenv("JOB_COMPLETION_INDEX", index)
    command = ["sh", str(ROOT / "deploy/trainer/entrypoint.sh"), "train", "--data", "/data", "--out", "/runs/one"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.split()

    assert ran == (["trainer", "export"] if published else ["trainer"])
