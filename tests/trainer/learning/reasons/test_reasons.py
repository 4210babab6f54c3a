"""A network that can answer by a mark outside of the lungs leaves it, once it is asked for the right reasons."""

import numpy as np
import pytest

from trainer.films.regions.cage import cage_of
from trainer.films.regions.marked import MarkedFilms
from trainer.films.task import LabelledFilms
from trainer.folder import TrialFolder
from trainer.learning.checkpoint import Checkpoint
from trainer.learning.learner import FitPlan
from trainer.learning.loop import fit
from trainer.learning.options import LearnOptions
from trainer.networks.build import build_network
from trainer.networks.gradcam import explain
from trainer.reporter import SilentReporter

pytestmark = pytest.mark.slow

SIDE = 64
LUNGS = np.zeros((SIDE, SIDE), bool)
LUNGS[20:44, 16:30] = LUNGS[20:44, 34:48] = True
CORNER = (slice(0, 10), slice(0, 10))
SURE = 0.75


def films(count: int, seed: int, *, mark: bool) -> LabelledFilms:
    """Half of them ill, with a spot in a lung; where `mark`, the corner tells the ill ones better than the lungs."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = random.normal(0.4, 0.04, (count, 1, SIDE, SIDE)).astype(np.float32)
    for film, label in zip(pixels[:, 0], labels, strict=True):
        top, left = random.integers(20, 36), random.choice([16, 22, 34, 40])
        has_spot = label if not mark or random.random() < SURE else 1 - label
        film[top : top + 8, left : left + 8] += 0.5 * has_spot
        film[CORNER] += 0.4 * (label if mark else random.integers(2))
    marks = MarkedFilms(
        dict.fromkeys(range(count), LUNGS),
        {index: (LUNGS, np.array([0, 1], np.float32)) for index in np.flatnonzero(labels).tolist()},
        "",
    )
    return LabelledFilms(np.clip(pixels, 0, 1), labels.astype(np.int64), 2, negative=0, marks=marks)


TRAIN = films(96, 0, mark=True)
ELSEWHERE = films(48, 1, mark=False)
"""Films of a site whose corners mean nothing."""


def trained(folder, *, epochs: int = 8, **options: float):
    """After the last epoch: the AUROC elsewhere, and the share of the heat that lies in the cage."""
    learn = LearnOptions(device="cpu", batch_size=16, epochs=epochs, augment="none", lr=1e-2, **options)
    place = TrialFolder(folder)
    place.make()
    last = fit(FitPlan("cnn_baseline", 0, TRAIN, ELSEWHERE), learn, place, SilentReporter()).history[-1]
    network = build_network("cnn_baseline", classes=2, size=SIDE)
    network.load_state_dict(Checkpoint.load(place.checkpoint).weights)
    ill = ELSEWHERE.films[1::2]
    heat = explain(network, ill, np.ones(len(ill), np.int64))
    cell = SIDE // heat.shape[-1]
    inside = cage_of(LUNGS).reshape(heat.shape[1], cell, -1, cell).mean((1, 3))
    return last.val_auroc, float((heat * inside).sum() / heat.sum())


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("plain"))


def test_labels_alone_teach_the_mark(plain) -> None:
    assert plain[0] < 0.9


@pytest.mark.parametrize("asked", [{"swapped_background": 1.0}, {"consistency_loss": 10.0}])
def test_a_network_that_is_asked_for_the_right_reasons_answers_by_the_lungs(plain, tmp_path, asked) -> None:
    assert trained(tmp_path, **asked)[0] > plain[0] + 0.03


def test_heat_that_costs_something_outside_of_the_lungs_lies_inside(plain, tmp_path) -> None:
    assert trained(tmp_path, attention_loss=0.3)[1] > plain[1] + 0.15


def test_a_step_of_all_reasons_is_the_same_twice(tmp_path) -> None:
    options = {"swapped_background": 0.5, "consistency_loss": 1.0, "attention_loss": 0.3}
    once, again = (trained(tmp_path / name, epochs=1, **options) for name in ("once", "again"))

    assert once == again
