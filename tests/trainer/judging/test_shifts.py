"""Shifts change how a film was taken and sent; under each the operating point is judged with the threshold of
validation."""

import numpy as np
import pytest

from biostatistics.intervals import wilson_interval
from imaging.phantom import phantom
from schemas.errors import TrainingConfigError
from schemas.model.decision import softmax
from trainer.config import make_config, read_config
from trainer.folder import RunFolder
from trainer.judging.logits import LabelledLogits
from trainer.judging.shifts import NONE, PLANTED_SHIFTS, SHIFTS, shift_outputs, shifted
from trainer.networks.inference import outputs
from trainer.trials.trial import load_trial

ALL = {**SHIFTS, **PLANTED_SHIFTS}
FILMS = np.stack([phantom(64, 64, seed=seed).astype(np.float32) / np.float32(255) for seed in range(6)])[:, None]


def sharpness(films):
    return np.abs(np.diff(films, axis=-1)).mean()


@pytest.mark.parametrize("name", ALL)
def test_a_shift_changes_films_and_keeps_shape_type_and_range(name) -> None:
    found = shifted(FILMS, ALL[name])

    assert found.shape == FILMS.shape
    assert found.dtype == np.float32
    assert 0 <= found.min() < found.max() <= 1
    assert np.abs(found - FILMS).mean() > 0.0005


@pytest.mark.parametrize("name", ALL)
def test_a_film_is_shifted_alike_whatever_films_are_beside_it(name) -> None:
    together = shifted(FILMS, ALL[name])

    assert np.array_equal(together[3:4], shifted(FILMS[3:4], ALL[name]))


@pytest.mark.parametrize(
    ("name", "figure", "direction"),
    [
        ("contrast x 0.6", np.std, -1),
        ("contrast x 1.6", np.std, 1),
        ("brightness - 0.15", np.mean, -1),
        ("brightness + 0.15", np.mean, 1),
        ("gamma 0.7", np.mean, 1),
        ("gamma 1.5", np.mean, -1),
        ("blur, sigma S / 150", sharpness, -1),
        ("half resolution", sharpness, -1),
        ("noise, sigma 0.04", sharpness, 1),
        ("padding to 118 %", lambda films: (films == 0).mean(), 1),
    ],
)
def test_a_shift_does_what_its_name_says(name, figure, direction) -> None:
    assert direction * (figure(shifted(FILMS, SHIFTS[name])) - figure(FILMS)) > 0


def test_a_crop_keeps_the_share_of_the_side_that_its_name_says() -> None:
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (1, 1, 64, 1))

    assert np.ptp(shifted(ramp, SHIFTS["crop to 85 %"])) == pytest.approx(0.85, abs=0.01)


@pytest.mark.slow
def test_the_answers_a_shift_are_those_of_the_shifted_films(shifted_run) -> None:
    trial = load_trial(RunFolder(shifted_run).trial("cnn_baseline-seed0"))
    films, _ = trial.inputs("val")

    found = shift_outputs(trial.network, films)

    assert list(found) == [NONE, *ALL]
    for name in ("gamma 1.5", "padding to 118 %"):
        expected = outputs(trial.network, shifted(np.array(films), ALL[name]))[0].numpy()
        assert np.allclose(found[name], expected, atol=1e-6)
    assert np.allclose(found[NONE], outputs(trial.network, films)[0].numpy(), atol=1e-6)


def test_every_evaluation_has_the_figures_of_each_shift_at_the_threshold_of_validation(shifted_run) -> None:
    trial = load_trial(RunFolder(shifted_run).trial("cnn_baseline-seed0"))
    record = trial.record
    (films, truth) = trial.inputs("val")
    threshold = record.calibration.operating_points[0].threshold
    logits = shift_outputs(trial.network, films)["contrast x 1.6"]
    called = softmax(logits, record.calibration.temperature)[:, 1] >= threshold

    for evaluation in (record.validation, record.test):
        assert [row.value for row in evaluation.shifts] == [NONE, *ALL]
        assert {(row.column, row.films) for row in evaluation.shifts} == {("shift", evaluation.films)}
        assert evaluation.corruption is not None
        assert evaluation.corruption.shifts == len(ALL)
    row = next(row for row in record.validation.shifts if row.value == "contrast x 1.6")
    assert row.sensitivity == wilson_interval(int(called[truth == 1].sum()), int((truth == 1).sum()))
    assert row.specificity == wilson_interval(int((~called)[truth == 0].sum()), int((truth == 0).sum()))


def test_a_threshold_that_shifts_decide_finds_the_target_share_over_all_of_them(shifted_run) -> None:
    trial = load_trial(RunFolder(shifted_run).trial("cnn_baseline-seed0"))
    calibration = trial.record.calibration
    (films, truth) = trial.inputs("val")
    shifted = shift_outputs(trial.network, films)
    patients = trial.patients("val").tolist()
    answers = LabelledLogits("validation", "0" * 64, patients, truth, shifted[NONE], shifted=shifted)
    logits, labels = answers.pooled()
    assert len(labels) == len(truth) * (1 + len(SHIFTS)), "confounders decide no threshold"
    found = softmax(logits, calibration.temperature)[labels == 1, 1] >= calibration.operating_points[0].threshold
    plain = outputs(trial.network, films)[0].numpy()
    positives = softmax(plain, calibration.temperature)[truth == 1, 1]

    target = read_config(RunFolder(shifted_run)).judge.target_sensitivity
    assert target <= found.mean() < target + 1.5 / len(found)
    assert calibration.operating_points[0].sensitivity.value == pytest.approx(
        (positives >= calibration.operating_points[0].threshold).mean()
    )


def test_shifts_decide_nothing_where_none_is_tried() -> None:
    with pytest.raises(TrainingConfigError, match="shifts=true"):
        make_config({"data.path": "films", "networks.archs": ["cnn4"], "judge.decide_on": "shifts"})
