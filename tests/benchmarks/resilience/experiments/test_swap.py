"""Rules of the experiments that load the service: they see what they claim to see."""

import json
import os

import numpy as np
import pytest

from benchmarks.resilience.experiments.swap import told_apart
from benchmarks.resilience.load import Answered
from benchmarks.resilience.server import running_apart
from benchmarks.resilience.versions import other_version, two_versions
from schemas.model.manifest import CURRENT
from service.engine.engine import OnnxEngine
from service.models.loading import BundleLoader
from service.models.registry import BundleRegistry
from service.settings import EngineSettings
from tests.service.bundles import write_tiny_bundle


def answer(digest, probability, status=200):
    body = {"model": {"sha256": digest}, "prediction": {"probabilities": {"PNEUMONIA": probability}}}
    return Answered(status, 0.0, 0.0, json.dumps(body).encode())


def test_answers_of_two_digests_that_keep_to_their_networks_are_told_apart() -> None:
    films = [
        answer("a", 0.1),
        answer("a", 0.2),
        answer("b", 0.3),
        answer("b", 0.4),
        answer("a", 0.1),
        answer("", 0, 503),
    ]

    assert told_apart(films, 2) == (2, 0)


@pytest.mark.parametrize(
    "other",
    [
        [answer("b", 0.3), answer("b", 0.3), answer("b", 0.1)],  # once what a computes, under b
        [answer("b", 0.1), answer("b", 0.1)],  # nobody could say who computed it
    ],
)
def test_an_answer_under_another_digest_than_its_networks_stands_out(other) -> None:
    assert told_apart([answer("a", 0.1), *other], 1) == (2, 1)


def test_both_versions_pass_their_self_test_and_answer_differently(tmp_path) -> None:
    write_tiny_bundle(tmp_path / "shipped")
    models = two_versions(tmp_path, tmp_path / "shipped")
    registry = BundleRegistry(models, None)
    first = (models / CURRENT).read_text().strip()
    loader = BundleLoader(OnnxEngine.open, EngineSettings())
    loaded = [loader.load(registry.open(address)) for address in registry.known()]

    side = loaded[0].bundle.manifest.preprocess.size
    film = np.full((1, 1, side, side), 0.7, np.float32)
    one, two = (bundle.engine.run(film, None).probabilities[0, 0] for bundle in loaded)
    assert abs(one - two) > 1e-6
    assert [str(bundle.address) for bundle in loaded] == [first, other_version(models, first)]
    assert other_version(models, other_version(models, first)) == first
    assert loaded[0].reference.sha256 != loaded[1].reference.sha256


@pytest.mark.process
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="on one core there is nothing to divide")
def test_the_load_and_the_service_do_not_share_a_core(tmp_path) -> None:
    write_tiny_bundle(tmp_path)
    cores = os.sched_getaffinity(0)
    with running_apart(models_dir=tmp_path) as server:
        ours = os.sched_getaffinity(0)
        its = os.sched_getaffinity(server.process.pid)

    assert not ours & its
    assert ours | its == cores == os.sched_getaffinity(0)
