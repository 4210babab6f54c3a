"""The gate of a trained network can be learnt anew, and nothing else of the trial changes."""

import resource
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from bundle.files import write_arrays
from schemas.errors import TrainingDataError
from trainer.__main__ import app
from trainer.folder import TrialFolder
from trainer.judging.shifts import NONE, PLANTED_SHIFTS, SHIFTS
from trainer.trials.record import read_trial, write_trial
from trainer.trials.refit import judge_shifts, refit_gate
from trainer.trials.trial import load_trial


@pytest.fixture
def trial(viewed_run, tmp_path):
    """A trained trial that the test may damage."""
    run = shutil.copytree(viewed_run, tmp_path / "run")
    return next((run / "trials").iterdir())


def test_a_gate_that_is_learnt_anew_is_the_one_that_training_left(trial) -> None:
    before = load_trial(TrialFolder(trial))
    assert before.statistics is not None
    write_arrays(trial / "statistics.npz", {**before.statistics, "scales": np.ones((2, 4), np.float32)})

    cutoffs = refit_gate(TrialFolder(trial))
    after = load_trial(TrialFolder(trial))

    distribution = before.record.calibration.out_of_distribution
    assert cutoffs == pytest.approx(distribution.cutoffs, rel=1e-4)
    assert set(after.statistics) == set(before.statistics) >= {"center", "thumbnail_center", "scales"}
    assert np.allclose(after.statistics["thumbnail_center"], before.statistics["thumbnail_center"], atol=1e-6)
    assert after.record.calibration.out_of_distribution.cutoffs == cutoffs


def test_a_trial_from_before_the_thumbnails_gets_the_gate_of_today_and_keeps_all_else(trial) -> None:
    arrays = dict(np.load(trial / "statistics.npz"))
    np.savez(trial / "statistics.npz", **{name: arrays[name] for name in ("center", "projection", "class_means")})
    before = read_trial(TrialFolder(trial))

    refit_gate(TrialFolder(trial))
    after = read_trial(TrialFolder(trial))

    kept = {"out_of_distribution"}
    assert after.model_dump(exclude={"calibration"}) == before.model_dump(exclude={"calibration"})
    assert after.calibration.model_dump(exclude=kept) == before.calibration.model_dump(exclude=kept)
    assert set(np.load(trial / "statistics.npz")) == set(arrays)


def test_films_under_shifts_are_judged_afterwards_as_the_run_would_have_judged_them_and_nothing_else_changes(
    trial,
) -> None:
    folder = TrialFolder(trial)
    before = read_trial(folder)
    without = before.model_copy(
        update={"validation": before.validation.model_copy(update={"shifts": (), "corruption": None})}
    )
    write_trial(folder, without)

    shifts = judge_shifts(folder)
    after = read_trial(folder)

    rows = after.validation.shifts
    assert shifts == len(SHIFTS) + len(PLANTED_SHIFTS) == len({row.value for row in rows}) - 1
    assert next(row for row in rows if row.value == NONE).auroc.value == pytest.approx(before.validation.auroc.value)
    assert after.validation.corruption is not None
    kept = {"validation"}
    assert after.model_dump(exclude=kept) == without.model_dump(exclude=kept)
    added = {"shifts", "corruption"}
    assert after.validation.model_dump(exclude=added) == without.validation.model_dump(exclude=added)


def test_the_command_says_the_cutoffs(trial) -> None:
    result = CliRunner().invoke(app, ["refit", str(trial)])

    assert result.exit_code == 0
    for name, cutoff in read_trial(TrialFolder(trial)).calibration.out_of_distribution.cutoffs.items():
        assert f"{name} {cutoff:.4g}" in result.stdout


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no archive", b"no archive"])
def test_a_gate_whose_file_is_gone_or_damaged_is_named_and_learnt_anew_by_the_command_that_the_failure_names(
    trial, content
) -> None:
    path = trial / "statistics.npz"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(TrainingDataError, match=r"statistics\.npz is missing or damaged.*trainer refit"):
        load_trial(TrialFolder(trial))

    refit_gate(TrialFolder(trial))

    assert load_trial(TrialFolder(trial)).statistics


@pytest.mark.parametrize("content", [None, b"no weights"])
def test_weights_that_are_gone_or_damaged_are_named(trial, content) -> None:
    path = trial / "best.safetensors"
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(TrainingDataError, match=r"best\.safetensors is missing.*same --out"):
        load_trial(TrialFolder(trial))


@pytest.mark.parametrize("room", [1_000, 60_000], ids=["for no file", "for trial.json alone"])
def test_a_refit_that_stops_half_way_leaves_no_cutoffs_with_arrays_of_another_gate(trial, room) -> None:
    sizes = [path.stat().st_size for path in (TrialFolder(trial).record, TrialFolder(trial).statistics)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            refit_gate(TrialFolder(trial))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 1_000 < sizes[0] < 60_000 < sizes[1]
    with pytest.raises(TrainingDataError, match=r"statistics\.npz is missing or damaged.*trainer refit"):
        load_trial(TrialFolder(trial))

    refit_gate(TrialFolder(trial))

    assert load_trial(TrialFolder(trial)).statistics


def test_a_folder_without_a_trial_is_named(tmp_path) -> None:
    with pytest.raises(TrainingDataError, match=r"trial\.json is missing"):
        refit_gate(TrialFolder(tmp_path))
