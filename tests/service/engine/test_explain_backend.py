"""Rules of the choice between the graph's heat maps and torch's."""

import asyncio
import subprocess
import sys

import numpy as np
import pytest

from imaging.phantom import phantom
from schemas.api import ExplainResponse
from schemas.model.manifest import WEIGHTS
from tests.films import encode
from tests.service.bundles import replace_file
from tests.service.http.routes.test_explain import PNG, picture
from tests.service.server import ROOT, Server
from tests.service.timm_bundle import copy_of

pytestmark = pytest.mark.anyio

FILMS = [encode(phantom(90, 70, seed=seed, opacity=seed / 6), ".png") for seed in range(6)]


async def explain(client, film, **query):
    response = await client.post("/explain", content=film, headers=PNG, params=query)
    assert response.status_code == 200, response.text
    return ExplainResponse.model_validate_json(response.content)


@pytest.fixture
def without_torch(tmp_path, monkeypatch) -> None:
    """Processes that are started from here cannot import torch, as if it were not installed."""
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "absent"))


@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
async def test_an_explanation_by_torch_is_that_of_the_graph_but_for_its_name(
    serve, timm_bundle, tmp_path, method
) -> None:
    without_maps = copy_of(timm_bundle, tmp_path, maps=False)
    async with serve(models_dir=timm_bundle.parent.parent) as client:
        in_graph = [await explain(client, film, method=method, finding="PNEUMONIA") for film in FILMS]
    async with serve(models_dir=without_maps.parent.parent) as client:
        by_torch = [await explain(client, film, method=method, finding="PNEUMONIA") for film in FILMS]
        (listed,) = (await client.get("/models")).json()["models"]

    assert listed["explain_backend"] == "torch"
    for expected, found in zip(in_graph, by_torch, strict=True):
        assert (expected.explanation.backend, found.explanation.backend) == ("onnx", "torch")
        assert found.prediction == expected.prediction
        for name in ("finding", "method", "layer", "grid"):
            assert getattr(found.explanation, name) == getattr(expected.explanation, name)
        assert found.explanation.concentration == pytest.approx(expected.explanation.concentration, abs=1e-3)
        # A level of heat is up to 1.5 levels of colour.
        for name, levels in (("heatmap_png_base64", 1), ("overlay_png_base64", 2)):
            pixels = [picture(getattr(answer.explanation, name)).astype(int) for answer in (expected, found)]
            assert np.abs(pixels[0] - pixels[1]).max() <= levels
    assert any(picture(answer.explanation.heatmap_png_base64).max() == 255 for answer in by_torch)


async def test_torch_explains_a_bundle_with_maps_where_the_operator_asks_for_it(serve, timm_bundle) -> None:
    async with serve(models_dir=timm_bundle.parent.parent, explain_backend="torch") as client:
        by_default = (await explain(client, FILMS[0])).explanation
        (listed,) = (await client.get("/models")).json()["models"]

    assert (by_default.backend, listed["explain_backend"]) == ("torch", "torch")


async def test_callers_at_the_same_time_get_the_maps_that_they_get_alone(serve, timm_bundle) -> None:
    def shown(answer):
        return answer.explanation.heatmap_png_base64

    async with serve(models_dir=timm_bundle.parent.parent, explain_backend="torch") as client:
        alone = [shown(await explain(client, film, finding="PNEUMONIA")) for film in FILMS]
        together = await asyncio.gather(*(explain(client, film, finding="PNEUMONIA") for film in FILMS))

    assert [shown(answer) for answer in together] == alone
    assert len(set(alone)) > 1


async def test_a_bundle_whose_weights_are_not_the_graphs_does_not_serve(serve, timm_bundle, tmp_path) -> None:
    spoilt = copy_of(timm_bundle, tmp_path, maps=False, mean=[0.1, 0.1, 0.1])
    async with serve(models_dir=spoilt.parent.parent) as client:
        ready = await client.get("/readyz")

    assert ready.status_code == 503
    assert "are not the weights of the graph" in ready.json()["detail"]


async def test_weights_that_nobody_explains_by_are_not_opened(serve, timm_bundle, tmp_path) -> None:
    unread = copy_of(timm_bundle, tmp_path)
    replace_file(unread, WEIGHTS, b"rubbish")
    async with serve(models_dir=unread.parent.parent) as client:
        assert (await explain(client, FILMS[0])).explanation.backend == "onnx"


@pytest.mark.process
def test_a_server_without_torch_predicts_and_says_what_explaining_needs(timm_bundle, tmp_path, without_torch) -> None:
    server = Server(copy_of(timm_bundle, tmp_path / "models", maps=False).parent.parent)
    try:
        explained = server.client.post("/explain", content=FILMS[0], headers=PNG)
        predicted = server.client.post("/predict", content=FILMS[0], headers=PNG)
    finally:
        server.end()

    assert (explained.status_code, explained.json()["code"]) == (422, "explanation_unavailable")
    assert explained.json()["detail"] == (
        "bundle small/1.0.0 has no heat maps in its graph, and torch is not installed; "
        "install the extra [torch] with the service"
    )
    assert predicted.status_code == 200


@pytest.mark.process
def test_a_server_that_is_asked_for_torch_and_has_none_does_not_start(without_torch, monkeypatch) -> None:
    monkeypatch.setenv("CXR_EXPLAIN_BACKEND", "torch")

    ended = subprocess.run([sys.executable, "-m", "service"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "refused to start: explain_backend torch is not installed; install the extra [torch]" in ended.stderr
