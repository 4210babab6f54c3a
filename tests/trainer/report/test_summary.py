"""The words at the top say what the records say: the winner, ties, the test, and what limits it."""

from dataclasses import replace

import pytest

from schemas.estimate import Estimate
from tests.runs import write_run
from trainer.films.patients import PatientSources
from trainer.folder import RunFolder
from trainer.report.records import read_run
from trainer.report.summary import findings_in_words, limits_in_words, p_value_in_words

TRIALS = {"cnn4-seed0": 3.0, "cnn4-seed1": 2.0, "cnn4-seed2": 1.0}


def _run(folder, **options):
    return read_run(RunFolder(write_run(folder / "run", **options)))


def test_the_winner_stands_first_with_its_interval_and_the_films_behind_it(tmp_path) -> None:
    run = _run(tmp_path, trials=TRIALS)
    words = findings_in_words(run)

    area = run.winner.record.validation.auroc
    assert words[0].startswith(f"Validation chose cnn4-seed0 out of 3 trials: AUROC {area} on 90 films of 45 patients.")
    assert "optimistic" in words[0]


def test_patients_who_are_not_known_are_the_first_limit(tmp_path) -> None:
    run = _run(tmp_path, trials=TRIALS)
    unknown = replace(run, data=run.data.model_copy(update={"patients_known": PatientSources(unknown=270)}))

    assert limits_in_words(unknown)[0].startswith("Patients unknown: every film counts as its own; leaks of patients")
    assert not any("atients unknown" in line for line in limits_in_words(run))


@pytest.mark.parametrize(
    ("low", "verdict"), [(-0.01, "they tie"), (0.0, "they tie"), (0.004, "is distinguishable from it")]
)
def test_a_difference_whose_interval_includes_nothing_is_called_a_tie(tmp_path, low, verdict) -> None:
    difference = Estimate(value=0.012, low=low, high=0.03)

    words = findings_in_words(_run(tmp_path, trials=TRIALS, differences={"cnn4-seed1": difference}))

    assert str(difference) in words[1]
    assert "p = 0.032" in words[1]
    assert verdict in words[1]


def test_further_ties_are_named(tmp_path) -> None:
    difference = Estimate(value=0.012, low=-0.01, high=0.03)
    differences = dict.fromkeys(("cnn4-seed1", "cnn4-seed2"), difference)

    assert "so does cnn4-seed2" in findings_in_words(_run(tmp_path, trials=TRIALS, differences=differences))[1]


def test_without_a_second_or_without_a_comparison_nothing_is_claimed(tmp_path) -> None:
    assert "No other network" in findings_in_words(_run(tmp_path / "one"))[1]
    assert "no paired comparison" in findings_in_words(_run(tmp_path / "old", trials=TRIALS))[1]


def test_averages_are_no_trials_and_folds_are_not_compared_film_by_film(tmp_path) -> None:
    averaged = findings_in_words(_run(tmp_path / "one", trials={"cnn4-seed0": 2.0, "ensemble": 3.0}))
    folds = findings_in_words(_run(tmp_path / "folds", trials={"cnn4-seed0-fold1": 2.0, "cnn4-seed0-fold0": 1.0}))

    assert "out of 1 trial:" in averaged[0]
    assert "No other network" in averaged[1]
    assert "on the films of another fold" in folds[1]


def test_the_test_is_told_with_the_moment_of_its_opening_or_as_sealed(tmp_path) -> None:
    run = _run(tmp_path / "opened")
    metrics = run.winner.at_operating_point("PNEUMONIA")["test"]
    words = " ".join(findings_in_words(run)[2:])

    assert "opened at 2026-01-02 12:00 UTC" in words
    assert str(run.winner.record.test.auroc) in words
    assert f"sensitivity of {metrics.sensitivity} and a specificity of {metrics.specificity}" in words
    sealed = findings_in_words(_run(tmp_path / "sealed", opened=False))
    assert sealed[2:] == ("The test set is sealed: no figure of this report was measured on it.",)


def test_limits_name_small_sets_single_seeds_and_unchecked_films(tmp_path) -> None:
    limits = " ".join(limits_in_words(_run(tmp_path)))

    assert "The validation set is small: 45 of NORMAL and 45 of PNEUMONIA" in limits
    assert "trained from one seed" in limits
    assert "their distance was not checked" in limits
    assert "one seed" not in " ".join(limits_in_words(_run(tmp_path / "more", trials=TRIALS)))


def test_a_fall_beyond_the_intervals_and_a_threshold_that_does_not_carry_over_are_told(tmp_path) -> None:
    run = _run(tmp_path, trials={"cnn4-seed0": 4.0})
    trial = run.trials[0]
    low = Estimate(value=0.5, low=0.4, high=0.6)
    findings = tuple(metrics.model_copy(update={"specificity": low}) for metrics in trial.record.test.findings)
    test = trial.record.test.model_copy(update={"auroc": low, "findings": findings})
    record = trial.record.model_copy(update={"test": test})
    worse = replace(run, trials=(replace(trial, record=record),))

    limits = " ".join(limits_in_words(worse))

    assert f"falls from {record.validation.auroc} on validation to {low} on test" in limits
    assert "The threshold for PNEUMONIA does not carry over: specificity" in limits
    assert "does not carry over: sensitivity" not in limits


def test_a_rise_beyond_the_intervals_is_told_too(tmp_path) -> None:
    run = _run(tmp_path, trials={"cnn4-seed0": 1.0})
    trial = run.trials[0]
    high = Estimate(value=0.998, low=0.997, high=0.999)
    assert trial.record.validation.auroc.high < high.low
    record = trial.record.model_copy(update={"test": trial.record.test.model_copy(update={"auroc": high})})

    limits = " ".join(limits_in_words(replace(run, trials=(replace(trial, record=record),))))

    assert f"rises from {record.validation.auroc} on validation to {high} on test, beyond their intervals" in limits


@pytest.mark.parametrize(("value", "words"), [(0.0, "p < 0.001"), (0.00099, "p < 0.001"), (0.0456, "p = 0.046")])
def test_a_p_value_is_never_nothing(value, words) -> None:
    assert p_value_in_words(value) == words
