"""The peers do the same work as the service: the same film has the same probabilities."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from benchmarks.peers.apps.naive import application
from benchmarks.peers.apps.pipeline import Pipeline
from benchmarks.peers.bare import figures
from benchmarks.peers.films import write_films
from benchmarks.peers.peers import ROOT, Launch
from benchmarks.peers.servers import environment
from schemas.model.manifest import CURRENT
from tests.service.server import Server

MODELS = ROOT / "models"
BUNDLE: Path = MODELS / (MODELS / CURRENT).read_text().strip()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return write_films(tmp_path_factory.mktemp("films"))[:3]


@pytest.fixture(scope="module")
def server():
    running = Server(MODELS)
    yield running
    running.end()


async def asked(film, *, threaded):
    app = application(Pipeline(BUNDLE, "fp32"), threaded=threaded)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.post("/predict", content=film.read_bytes(), headers={"Content-Type": "image/jpeg"})
    return answer.json()


@pytest.mark.anyio
@pytest.mark.parametrize("threaded", [True, False])
async def test_a_peer_finds_the_probabilities_of_the_service(films, server, threaded) -> None:
    for film in films:
        ours = server.client.post("/predict", content=film.read_bytes(), headers={"Content-Type": "image/jpeg"})
        theirs = await asked(film, threaded=threaded)

        assert theirs["probabilities"] == pytest.approx(ours.json()["prediction"]["probabilities"], abs=1e-4)


@pytest.mark.process
def test_the_bare_pipeline_answers_films_for_as_long_as_it_is_told(films) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.bare", *map(str, films)],
        cwd=ROOT,
        env=environment("bare", Launch(BUNDLE, "fp32", port=0, workers=2)),
        input="2 1\n",
        capture_output=True,
        text=True,
        check=True,
    )
    ready, told = done.stdout.splitlines()

    assert ready == "ready"
    assert json.loads(told)["answered"] >= 2


def test_the_rate_of_the_bare_pipeline_is_taken_after_the_warm_up_as_that_of_the_others() -> None:
    told = figures([(100.2, 0.2), (100.4, 0.2), (100.6, 0.2), (100.8, 0.2), (101.0, 0.2)], start=100.0)

    assert told["answered"] == 5
    assert told["films"] == 2
    assert told["span_s"] == pytest.approx(0.4)
    assert told["p50_us"] == pytest.approx(200_000)


def test_the_service_gets_its_own_variables_and_the_peers_theirs(monkeypatch) -> None:
    monkeypatch.setitem(os.environ, "CXR_DECODE_WORKERS", "7")
    launch = Launch(BUNDLE, "int8", port=8123, workers=4)
    ours, naive = environment("ours", launch), environment("naive-2", launch)

    assert {name: value for name, value in ours.items() if name.startswith(("CXR_", "PEER_", "OMP_"))} == {
        "CXR_PORT": "8123",
        "CXR_MODELS_DIR": str(MODELS),
        "CXR_PRECISION": "int8",
    }
    assert naive["PEER_PRECISION"] == "int8"
    assert naive["PEER_WORKERS"] == "4"
    assert naive["OMP_NUM_THREADS"] == "1"
    assert not [name for name in naive if name.startswith("CXR_")]
