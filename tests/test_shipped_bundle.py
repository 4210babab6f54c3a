"""The bundle in `models/`, judged through the real server process."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from schemas.bundle import CURRENT, Bundle, open_bundle
from tests.service.server import Server
from trainer.metrics import auroc

ROOT = Path(__file__).parent.parent
MAX_BUNDLE_BYTES = 25_000_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(ROOT / "models" / (ROOT / "models" / CURRENT).read_text().strip())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server(ROOT / "models")
    yield running
    running.end()


def test_the_shipped_bundle_is_small_enough_to_live_in_the_repository(bundle):
    assert sum(record.size_bytes for record in bundle.manifest.files.values()) < MAX_BUNDLE_BYTES


def test_the_model_card_states_the_figures_of_the_manifest(bundle):
    card = (bundle.directory / "MODEL_CARD.md").read_text()

    assert {evaluation.data for evaluation in bundle.manifest.evaluation} >= {"validation", "test"}
    for evaluation in bundle.manifest.evaluation:
        assert str(evaluation.auroc) in card
    assert bundle.manifest.provenance.data_sha256[:12] in card
    assert bundle.manifest.provenance.git_commit[:12] in card
    assert re.search(r"research use", card, re.IGNORECASE)


@pytest.mark.real_data
@pytest.mark.slow
def test_the_official_test_films_score_over_http_what_the_trainer_measured(bundle, server, real_films):
    films = sorted((real_films / "kermany224" / "test").glob("*/*.jpeg"))
    finding = bundle.manifest.findings[0]

    def ask(film: Path) -> dict:
        return server.client.post("/predict", files={"file": film.read_bytes()}).raise_for_status().json()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, films))
    labels = np.array([film.parent.name == finding for film in films])
    probabilities = np.array([answer["prediction"]["probabilities"][finding] for answer in answers])
    stated = next(evaluation for evaluation in bundle.manifest.evaluation if evaluation.data == "test")
    at_operating_point = next(rule for rule in stated.labels if rule.rule == "operating point")
    called = np.array([answer["prediction"]["label"] == finding for answer in answers])

    assert len(films) == stated.films == 624
    assert round(auroc(labels, probabilities), 4) == round(stated.auroc.value, 4)
    assert stated.auroc.value >= 0.96
    assert np.mean(called == labels) == pytest.approx(at_operating_point.accuracy.value, abs=1e-9)
    assert {answer["model"]["sha256"] for answer in answers} == {bundle.sha256}
