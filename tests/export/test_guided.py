"""A network behind a guide as a bundle: one graph finds the lungs, answers, explains on the film, and reads traits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bundle.golden import check_golden, read_golden
from bundle.opening import open_bundle
from bundle.session import Session, open_session
from export.export import write_bundle
from export.gates.precision import attempt
from export.place import Place
from schemas.estimate import Estimate
from schemas.model.guide import GuideRecord, Trait
from schemas.model.manifest import GRAPH
from schemas.model.precision import ReducedPrecision
from schemas.population import Population
from tests.export.figures import GOOD
from tests.export.untrained import UntrainedTrial, phantoms, settled, trial_of
from tests.fakes import ScriptedComparator
from trainer.networks.build import build_network
from trainer.networks.designs import FILM_SIDE
from trainer.networks.lungs.guide import LUNGS_SIDE, GuideNetwork
from trainer.networks.lungs.guided import MAP_SIDE

pytestmark = pytest.mark.slow

CROP = 48
CERTAIN = Estimate(value=1, low=0.9, high=1)
TRAITS = (
    Trait(name="population", values=("child", "adult"), accepted=("child",), cutoff=0.4, passed=CERTAIN),
    Trait(name="pose", values=("upright", "mirrored", "turned"), accepted=("upright",), cutoff=0.2, passed=CERTAIN),
)
RECORD = GuideRecord(traits=TRAITS, dice=CERTAIN, data="40 phantoms", data_sha256="a" * 64, weights_sha256="b" * 64)


@pytest.fixture(scope="module")
def trial() -> UntrainedTrial:
    torch.manual_seed(0)
    guide = GuideNetwork([2, 3])
    network = build_network("cnn_baseline", classes=2, size=CROP, guide=guide)
    settled(network, phantoms(8, FILM_SIDE))
    made = trial_of(network.eval(), architecture="cnn_baseline", side=FILM_SIDE, distribution=False)
    population = Population(name="child", least_age_years=1, age_below_years=6)
    return replace(
        made, record=made.record.model_copy(update={"guide": RECORD, "crop": CROP, "population": population})
    )


@pytest.fixture(scope="module")
def folder(trial: UntrainedTrial, tmp_path_factory) -> Path:
    return write_bundle(trial, Place(name="guided", version="1.0.0", out=tmp_path_factory.mktemp("models")))


def test_the_manifest_says_what_the_guide_is_and_whose_films_are_answered(folder: Path) -> None:
    manifest = open_bundle(folder).manifest
    assert manifest.guide == RECORD
    assert manifest.population is not None
    assert manifest.population.includes(3)
    assert manifest.preprocess.size == FILM_SIDE
    assert manifest.graph.cam_grid == (MAP_SIDE, MAP_SIDE)


def test_the_graph_alone_gives_what_torch_gives_for_the_guide_and_the_network(
    folder: Path, trial: UntrainedTrial
) -> None:
    films = phantoms(5, FILM_SIDE)
    found = open_session(open_bundle(folder)).run(films, np.zeros(5, np.int64))
    with torch.no_grad():
        seen = trial.network.seen(torch.from_numpy(films))
        logits = trial.network(torch.from_numpy(films)).numpy()
    assert found["lungs"].shape == (5, LUNGS_SIDE, LUNGS_SIDE)
    assert found["traits"].shape == (5, 5)
    assert found["traits"][:, :2].sum(1) == pytest.approx(1, abs=1e-5)
    for name in ("lungs", "traits"):
        assert np.abs(found[name] - seen[name].numpy()).max() < 1e-4
    assert np.abs(found["logits"] - logits).max() < 1e-3 * np.abs(logits).max()


def test_the_golden_films_prove_the_guide_too(folder: Path) -> None:
    bundle = open_bundle(folder)
    assert check_golden(bundle, open_session(bundle).run).relative < 1e-3


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_fewer_bits_change_the_network_and_leave_the_guide_as_it_is(folder: Path, precision: ReducedPrecision) -> None:
    films = phantoms(4, FILM_SIDE)
    bundle = open_bundle(folder)
    tried = attempt(precision, onnx.load(str(folder / GRAPH)), films, ScriptedComparator(GOOD), read_golden(bundle))
    reduced, full = (
        run(films, np.zeros(4, np.int64))
        for run in (Session(tried.files[f"model.{precision}.onnx"]).run, open_session(bundle).run)
    )

    for name in ("lungs", "traits"):
        assert np.abs(reduced[name] - full[name]).max() < 1e-5
    assert 0 < np.abs(reduced["logits"] - full["logits"]).max() < 0.2 * np.abs(full["logits"]).max()
