"""Rules of the answers to single films that a run leaves beside each trial."""

import csv
from pathlib import Path

import numpy as np
import pytest

from trainer.folder import TrialFolder
from trainer.judging.outputs import SavedOutputs
from trainer.trials.record import read_trial


def rows(folder: Path, part: str) -> list[dict[str, str]]:
    with (folder / f"{part}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def probabilities(folder: Path, part: str) -> np.ndarray:
    return np.array(
        [[float(row["probability NORMAL"]), float(row["probability PNEUMONIA"])] for row in rows(folder, part)]
    )


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("trial", ["cnn_baseline-seed0", "cnn_attention-seed0", "mean-of-2-architectures"])
def test_every_film_of_a_set_has_a_row_that_leads_to_it_and_names_no_patient(two_networks_run, trial, part) -> None:
    folder = two_networks_run / "trials" / trial
    with (two_networks_run / "split.csv").open(newline="") as stream:
        split = {row["sha256"][:12]: row for row in csv.DictReader(stream)}
    place = {"validation": "val", "test": "test"}[part]
    table = rows(folder, part)

    assert [split[row["film"]]["path"] for row in table] == SavedOutputs.read(folder / f"{part}.npz").films.tolist()
    assert {row["film"] for row in table} == {name for name, row in split.items() if row["split"] == place}
    assert all(split[row["film"]]["label"] == row["truth"] and row["split"] == part for row in table)
    assert probabilities(folder, part).sum(axis=1) == pytest.approx(1, abs=2e-6)
    text = (folder / f"{part}.csv").read_text()
    assert not any(row["patient"] in text or row["path"] in text for row in split.values())


def test_labels_and_familiar_films_are_as_the_figures_of_the_trial_count_them(two_networks_run) -> None:
    folder = TrialFolder(two_networks_run / "trials" / "cnn_attention-seed0")
    record = read_trial(folder)
    table = rows(folder.path, "validation")
    right = sum(row["label"] == row["truth"] for row in table)
    familiar = sum(row["familiar"] == "yes" for row in table)

    (figures,) = (labels for labels in record.validation.labels if labels.rule == "operating point")
    assert right / len(table) == pytest.approx(figures.accuracy.value)
    assert familiar / len(table) >= record.calibration.out_of_distribution.accepted_share - 0.05
    assert all(row["decision"] == "abstain" for row in table if row["familiar"] == "no" or "|" in row["set"])


def test_the_spread_of_a_mean_is_that_of_its_members_and_its_worth_is_recorded(two_networks_run) -> None:
    folder = TrialFolder(two_networks_run / "trials" / "mean-of-2-architectures")
    record = read_trial(folder)
    members = [probabilities(two_networks_run / "trials" / name, "test") for name in record.members]
    spreads = [float(row["spread"]) for row in rows(folder.path, "test")]

    assert spreads == pytest.approx(np.std(members, axis=0).max(axis=1), abs=2e-6)
    assert (record.uncertainty.source, record.uncertainty.answers) == ("members", 2)
    single = read_trial(TrialFolder(two_networks_run / "trials" / record.members[0])).uncertainty
    assert (single.source, single.answers) == ("dropout", 50)
    for worth in (single.test, record.uncertainty.test):
        assert worth.films == len(spreads)
        assert worth.spread_auroc.low <= worth.spread_auroc.value <= worth.spread_auroc.high
