"""Clients that generators make of the document speak to the real server with every operation; a network is needed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from service.commands.keys import keys_command
from tests.requirements.test_resolver import NO_ANSWER
from tests.service.dicomweb.films import film, uid
from tests.service.server import Server

pytestmark = [pytest.mark.process, pytest.mark.slow]

PYTHON_CLIENT = "openapi-python-client==0.29.1"
TYPESCRIPT = "openapi-typescript@7.10.1"
PACKAGE = "chest_x_ray_classifier_client"

CONVERSATION = """
import json, sys, time
from io import BytesIO
from chest_x_ray_classifier_client import AuthenticatedClient
from chest_x_ray_classifier_client.api.dicomweb import get_fhir_result, get_result, list_results, store_instances
from chest_x_ray_classifier_client.api.radiographs import explain_image, predict_image
from chest_x_ray_classifier_client.models import ExplainImageMethod, PredictImageFilesBody
from chest_x_ray_classifier_client.types import File

address, key, path, uid = sys.argv[1:]
film = open(path, "rb").read()
file = lambda: File(payload=BytesIO(film), file_name="film", mime_type="application/dicom")
with AuthenticatedClient(base_url=address, token=key, raise_on_unexpected_status=True) as client:
    form = predict_image.sync(client=client, body=PredictImageFilesBody(file=file()), idempotency_key="one")
    raw = predict_image.sync_detailed(client=client, body=file(), idempotency_key="one")
    explained = explain_image.sync(client=client, body=file(), method=ExplainImageMethod.GRADCAM_PLUS_PLUS)
    refused = explain_image.sync(client=client, body=File(payload=BytesIO(b"no image")))
    stored = store_instances.sync_detailed(client=client, body=file())
    deadline = time.monotonic() + 60
    while (result := get_result.sync(uid, client=client)).analysis is None and time.monotonic() < deadline:
        time.sleep(0.1)
    page = list_results.sync(client=client, limit=1)
    fhir = get_fhir_result.sync_detailed(uid, client=client)
print(json.dumps({
    "decision": form.prediction.decision.value,
    "replayed": raw.headers["Idempotent-Replayed"],
    "method": explained.explanation.method.value,
    "heat_map": explained.explanation.heatmap_png_base64[:4],
    "refused": refused.code,
    "stored": stored.status_code,
    "analysed": result.analysis.prediction.decision.value,
    "listed": [row.sop_instance_uid for row in page.results],
    "fhir": fhir.status_code,
}))
"""


def run(*command, cwd, **environment):
    """What a program of another environment prints; it is got from an index, or taken from a cache."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "npm_config_update_notifier": "false", **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = done.stdout + done.stderr
    if done.returncode and any(words in said for words in (*NO_ANSWER, "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED")):
        pytest.skip(f"the package index does not answer: {said[-200:]}")
    assert done.returncode == 0, said[-3000:]
    return done.stdout


def tool(*command, cwd, **environment):
    return run(sys.executable, "-m", "uv", "tool", "run", "--from", PYTHON_CLIENT, *command, cwd=cwd, **environment)


@pytest.fixture
def server(tiny_models, tmp_path, capsys):
    keys = tmp_path / "keys.json"
    keys_command(["add", "--name", "integrator", "--scope", "predict", "--scope", "dicom", "--file", str(keys)])
    running = Server(tiny_models, dicomweb=True, spool_url=f"sqlite:///{tmp_path}/spool.db", api_keys_file=keys)
    running.client.headers["X-API-Key"] = capsys.readouterr().out.strip()
    yield running
    running.end()


@pytest.fixture
def document(server, tmp_path):
    path = tmp_path / "openapi.json"
    path.write_bytes(server.client.get("/openapi.json").raise_for_status().content)
    return path


def ids(document):
    paths = json.loads(document.read_text())["paths"]
    return {operation["operationId"] for methods in paths.values() for operation in methods.values()}


@pytest.mark.long
def test_a_python_client_has_every_operation_and_predicts_explains_stores_and_lists(server, document, tmp_path) -> None:
    said = tool("openapi-python-client", "generate", "--path", str(document), "--output-path", "made", cwd=tmp_path)
    modules = {path.stem for path in (tmp_path / "made" / PACKAGE / "api").rglob("*.py")} - {"__init__"}
    (tmp_path / "film.dcm").write_bytes(film())
    key = server.client.headers["X-API-Key"]
    talk = ("python", "-c", CONVERSATION, server.address, key, str(tmp_path / "film.dcm"), uid("film"))
    answers = json.loads(tool(*talk, cwd=tmp_path, PYTHONPATH=str(tmp_path / "made")))

    assert "will not be generated" not in said
    assert modules == ids(document)
    assert answers == {
        "decision": answers["analysed"],
        "replayed": "true",
        "method": "gradcam++",
        "heat_map": "iVBO",  # a PNG
        "refused": "unsupported_image",
        "stored": 200,
        "analysed": answers["decision"],
        "listed": [uid("film")],
        "fhir": 200,
    }
    assert answers["decision"] in {"positive", "negative", "abstain"}


@pytest.mark.long
def test_types_for_typescript_have_every_operation(document, tmp_path) -> None:
    if shutil.which("npx") is None:
        pytest.skip("npx (Debian package npm) is not installed")
    run("npx", "--yes", TYPESCRIPT, str(document), "-o", "api.d.ts", cwd=tmp_path)
    types = (tmp_path / "api.d.ts").read_text()

    assert {name for name in ids(document) if f"    {name}: {{" not in types} == set()
