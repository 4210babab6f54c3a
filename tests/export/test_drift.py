"""The drift reference of a bundle counts its validation films as the service will count its own."""

from collections import Counter

import numpy as np
import pytest

from bundle.opening import open_bundle
from export.drift import drift_reference, signal_reference
from export.export import write_bundle
from export.place import Place
from imaging.quality import input_statistics
from tests.export.untrained import SIDE, UntrainedTrial, phantoms


def test_the_bins_of_different_values_hold_a_tenth_each() -> None:
    reference = signal_reference(range(100))

    assert reference.edges == (9, 19, 29, 39, 49, 59, 69, 79, 89)
    assert reference.counts == (10,) * 10


def test_values_that_most_films_share_make_fewer_bins() -> None:
    reference = signal_reference([0.0] * 80 + [0.5, 0.6, 0.7, 0.8] * 5)

    assert reference.edges == (0.0, 0.6)
    assert reference.counts == (80, 10, 10)


def test_films_that_are_all_alike_leave_a_bin_for_those_that_are_not() -> None:
    assert signal_reference([0.25] * 60).counts == (60, 0)


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_are_those_of_the_bins_that_the_service_finds(seed) -> None:
    values = np.random.default_rng(seed).integers(0, 15, 300) / 16

    reference = signal_reference(values)

    counted = Counter(reference.bin_of(value) for value in values)
    assert [counted[place] for place in range(len(reference.counts))] == list(reference.counts)


def test_a_bundle_of_enough_films_says_where_they_lie(trial, tmp_path) -> None:
    films = phantoms(60, SIDE)
    larger = UntrainedTrial(trial.record, trial.network, trial.statistics, films, np.arange(60) % 2)

    directory = write_bundle(larger, Place(name="chest", version="2", out=tmp_path))

    reference = open_bundle(directory).manifest.drift_reference
    assert reference.data == trial.record.calibration.data
    assert set(reference.signals) == {"mean", "contrast", "border", "probability:PNEUMONIA"}
    assert {signal.films for signal in reference.signals.values()} == {60}
    means = [input_statistics(film).mean for film in films]
    assert reference.signals["mean"].edges[4] == pytest.approx(np.median(means), abs=0.02)


def test_a_bundle_of_few_films_has_no_reference_and_says_so(trial, bundle) -> None:
    assert len(trial.films) == 40
    assert open_bundle(bundle).manifest.drift_reference is None


def test_each_finding_has_a_signal_and_the_negative_class_has_none(trial) -> None:
    record = trial.record.model_copy(update={"classes": ("A", "B", "C"), "negative_class": "B"})
    probabilities = np.random.default_rng(0).dirichlet((1, 1, 1), 60).astype(np.float32)

    found = drift_reference(probabilities, phantoms(60, SIDE), record).signals

    assert [name for name in found if name.startswith("probability")] == ["probability:A", "probability:C"]
    assert found["probability:C"].edges[4] == pytest.approx(np.median(probabilities[:, 2]), abs=0.03)
