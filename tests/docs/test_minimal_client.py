"""The client of the documentation, which has nothing but the graph's own file, answers as the server does."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from bundle.opening import open_bundle
from export.manifest import describe
from imaging.phantom import phantom
from schemas.model.manifest import CURRENT, GRAPH
from tests.films import encode
from tests.service.bundles import change_manifest, replace_file, write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.server import ROOT, Server

SHIPPED = ROOT / "models" / (ROOT / "models" / CURRENT).read_text().strip()
CLIENT = ROOT / "docs/minimal_client.py"
FILMS = {
    "smaller than the network's side": encode(phantom(150, 120, seed=1, opacity=0.4), ".png"),
    "wide": encode(phantom(200, 700, seed=2, opacity=0.0), ".png"),
    "of 16 bits": encode(
        cv2.resize(phantom(300, 260, seed=3, opacity=0.8).astype(np.uint16) * 257, (520, 610)), ".png"
    ),
    "a large JPEG": encode(phantom(1200, 1000, seed=4, opacity=0.6), ".jpeg"),
    "black": encode(np.zeros((300, 300), np.uint8), ".png"),
    "white": encode(np.full((300, 300), 255, np.uint8), ".png"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serves the shipped bundle, but looks at no film's distance from the training films: the client has no such
    arrays."""
    models = tmp_path_factory.mktemp("models")
    directory = Path(shutil.copytree(SHIPPED, models / SHIPPED.parent.name / SHIPPED.name))
    calibration = open_bundle(SHIPPED).manifest.calibration
    change_manifest(directory, calibration=calibration.model_dump(mode="json") | {"out_of_distribution": None})
    (models / CURRENT).write_text(f"{SHIPPED.parent.name}/{SHIPPED.name}\n")
    running = Server(models)
    yield running
    running.end()


def read_by_the_client(film: Path, graph: Path = SHIPPED / GRAPH) -> dict:
    command = [sys.executable, str(CLIENT), str(graph), str(film)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def assert_same_answer(server: Server, film: Path, graph: Path = SHIPPED / GRAPH) -> str:
    predicted = server.client.post("/predict", content=film.read_bytes()).raise_for_status().json()["prediction"]
    found = read_by_the_client(film, graph)

    assert found["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-4)
    assert found["label"] == predicted["label"]
    if "low_contrast" in predicted["abstention_reasons"]:  # the client looks at no film's contrast
        assert predicted["decision"] == "abstain"
    else:
        assert found["decision"] == predicted["decision"]
    return predicted["decision"]


@pytest.mark.parametrize("what", FILMS)
def test_the_client_answers_as_the_server(server, tmp_path, what) -> None:
    film = tmp_path / "film"
    film.write_bytes(FILMS[what])

    assert_same_answer(server, film)


@pytest.mark.process
def test_the_client_judges_findings_by_themselves_as_the_server_does(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path / "models", alone=True, statistics=False)
    network = onnx.load(directory / GRAPH)
    onnx.helper.set_model_props(network, describe(open_bundle(directory).manifest))
    replace_file(directory, GRAPH, network.SerializeToString())
    server = Server(tmp_path / "models")
    film = tmp_path / "film.png"
    decisions = []
    try:
        for gray in (166, 102, 128, 217):
            film.write_bytes(flat_film(gray))
            decisions.append(assert_same_answer(server, film, directory / GRAPH))
    finally:
        server.end()

    assert decisions == ["positive", "negative", "abstain", "positive"]


@pytest.mark.real_data
def test_the_client_answers_as_the_server_on_films_of_every_decision(server, real_films) -> None:
    films = sorted((real_films / "kermany224" / "test").glob("*/*.jpeg"))[::78]

    decisions = {assert_same_answer(server, film) for film in films}

    assert len(films) == 8
    assert decisions >= {"positive", "negative"}
