"""The chart under Helm's own engine, which comes as a Python package into an environment of its own."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
SDK = re.search(r"^HELM_SDK \?= (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]

SCRIPT = (
    "import helm_python, json, sys\n"
    "with helm_python.Chart.load('deploy/kubernetes/chart') as chart:\n"
    "    values = json.loads(sys.argv[1])\n"
    "    chart.validate_schema(values)\n"
    "    print(json.dumps(chart.render(values, name='cxr', namespace='cxr')))\n"
)

pytestmark = pytest.mark.process


def in_environment_of_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python of this version that has Helm's engine."""
    tool = [sys.executable, "-m", "uv", "tool", "run", "--python", sys.executable, "--from", SDK, "python"]
    return subprocess.run([*tool, *arguments], check=False, capture_output=True, text=True, timeout=240, cwd=ROOT)


@pytest.fixture(scope="module")
def helm():
    tried = in_environment_of_helm("-c", "import helm_python")
    if tried.returncode:
        pytest.skip(f"{SDK} cannot be installed here")
    return in_environment_of_helm


@pytest.mark.scale("21.4 Kubernetes", "the committed manifests are what Helm renders, and its linter finds no error")
def test_the_committed_manifests_are_what_helm_renders(helm, record_property) -> None:
    ran = helm("-m", "deploy.kubernetes", "--check")
    record_property("figure", ran.stdout.strip())

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.scale("21.4 Kubernetes", "the chart refuses values that contradict each other, with the remedy")
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"spool": {"kind": "sqlite"}}, "sqlite is for one process"),
        ({"replicas": 1, "spool": {"kind": "sqlite"}, "autoscaling": {"enabled": True}}, "sqlite is for one process"),
        ({"models": {"source": "volume"}}, "needs models.claim"),
        ({"models": {"source": "address"}}, "needs models.address"),
        ({"keys": {"secret": ""}}, "keys.secret is empty"),
        ({"autoscaling": {"min": 5, "max": 2}}, "larger than autoscaling.max"),
        ({"jobs": {"claim": "cxr-jobs"}}, "jobs.claim needs a spool"),
        ({"replica": 2}, "replica"),
        ({"settings": {"PATH": "/"}}, "PATH"),
    ],
)
def test_the_chart_refuses_what_cannot_work(helm, values, words) -> None:
    ran = helm("-c", SCRIPT, json.dumps(values))

    assert ran.returncode != 0
    assert words in ran.stderr


@pytest.mark.scale("21.4 Kubernetes", "a pod gets the variables of a Secret and the account of a cloud")
def test_a_login_to_a_bucket_comes_from_a_secret_or_from_the_account_of_the_pod(helm) -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/cxr"}
    store = [{"secretRef": {"name": "cxr-store"}}]
    values = {
        "models": {"source": "address", "address": "s3://bucket/models"},
        "envFrom": store,
        "serviceAccount": {"annotations": role},
    }
    rendered = json.loads(helm("-c", SCRIPT, json.dumps(values)).stdout)
    every = [each for text in rendered.values() for each in yaml.safe_load_all(text) if each]
    (account,) = (each for each in every if each["kind"] == "ServiceAccount")
    (deployment,) = (each for each in every if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert account["metadata"]["annotations"] == role
    assert container["envFrom"] == store
