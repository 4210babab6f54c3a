"""Mixed precision is used where it was measured to be faster, and a fit keeps what it began with."""

import json

import numpy as np
import pytest

from schemas.errors import TrainingDataError
from trainer.films.task import LabelledFilms
from trainer.folder import TrialFolder
from trainer.learning.learner import FitPlan
from trainer.learning.loop import fit
from trainer.learning.measured.precision import choose, settled
from trainer.learning.options import LearnOptions
from trainer.reporter import SilentReporter


@pytest.mark.parametrize(
    ("pairs", "precision", "gain"),
    [
        ([(3.0, 1.0), (2.0, 1.0), (1.0, 9.0)], "bf16", 2.0),
        ([(1.05, 1.0)], "fp32", 1.05),
        ([(1.0, 2.0), (1.0, 4.0)], "fp32", 0.375),
        ([], "fp32", None),
    ],
)
def test_bf16_is_chosen_where_the_median_step_gains_a_tenth(pairs, precision, gain) -> None:
    choice = choose(pairs)

    assert (choice.precision, choice.gain) == (precision, gain)


def test_a_precision_that_was_named_is_not_measured(tmp_path) -> None:
    options = LearnOptions(precision="bf16")

    assert settled(None, options, TrialFolder(tmp_path), SilentReporter()) is options
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_fit_that_goes_on_keeps_what_it_began_with(precision, tmp_path) -> None:
    folder = TrialFolder(tmp_path)
    folder.precision.write_text(f'{{"precision": "{precision}", "gain": 1.0}}')

    options = settled(None, LearnOptions(precision="auto"), folder, SilentReporter())

    assert options == LearnOptions(precision=precision)


def test_a_damaged_record_is_named(tmp_path) -> None:
    folder = TrialFolder(tmp_path)
    folder.precision.write_text("{")

    with pytest.raises(TrainingDataError, match=r"precision\.json is damaged"):
        settled(None, LearnOptions(precision="auto"), folder, SilentReporter())


def test_a_fit_measures_once_and_records_what_it_computed_in(tmp_path) -> None:
    labels = np.arange(16) % 2
    films = LabelledFilms(np.random.default_rng(0).random((16, 1, 16, 16), dtype=np.float32), labels, 2)
    folder = TrialFolder(tmp_path)
    options = LearnOptions(precision="auto", device="cpu", epochs=1, batch_size=8, augment="none")

    fitted = fit(FitPlan("cnn_baseline", 0, films, films), options, folder, SilentReporter())

    recorded = json.loads(folder.precision.read_text())
    assert fitted.precision == recorded["precision"]
    assert recorded["precision"] == ("bf16" if (recorded["gain"] or 0) >= 1.1 else "fp32")
