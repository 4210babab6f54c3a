"""Figures of heat maps equal brute force; their intervals hold the truth; the alarm rings for heat on the border
alone."""

from itertools import combinations

import numpy as np
import pytest

from biostatistics.intervals import mean_estimate
from schemas.estimate import Estimate
from trainer.heat_maps.attention import (
    FRAME_AREA,
    border_shares,
    centers_of_mass,
    consistency,
    looks_at_the_border,
    with_heat,
)


def drawn(count=12, shape=(5, 7), *, seed=0):
    return with_heat(np.random.default_rng(seed).gamma(0.5, 1, (count, *shape)).astype(np.float32))


def test_maps_without_heat_are_left_out_and_the_others_weigh_the_same() -> None:
    maps = np.stack([np.zeros((3, 3)), np.ones((3, 3)), 1000 * np.eye(3)]).astype(np.float32)

    kept = with_heat(maps)

    assert len(kept) == 2
    assert kept.sum(axis=(1, 2)) == pytest.approx([1, 1])


def test_the_centre_of_mass_of_one_cell_is_its_middle() -> None:
    maps = np.zeros((1, 4, 5))
    maps[0, 3, 1] = 1

    assert centers_of_mass(maps)[0].tolist() == pytest.approx([0.3, 0.875])


def test_the_share_on_the_border_equals_that_of_the_map_enlarged_to_many_pixels() -> None:
    maps = drawn()
    fine = np.repeat(np.repeat(maps, 140, axis=1), 100, axis=2)  # 700 x 700
    fine[:, 70:-70, 70:-70] = 0

    assert border_shares(maps) == pytest.approx(fine.sum(axis=(1, 2)) / 100 / 140, abs=1e-6)


@pytest.mark.parametrize("shape", [(7, 7), (4, 4), (16, 13), (64, 64)])
def test_a_map_that_looks_everywhere_alike_has_the_borders_area_on_the_border(shape) -> None:
    assert pytest.approx(0.36) == FRAME_AREA
    assert border_shares(with_heat(np.ones((1, *shape), np.float32)))[0] == pytest.approx(FRAME_AREA)


def test_consistency_is_the_mean_correlation_of_every_two_maps() -> None:
    maps = drawn()
    pairs = [np.corrcoef(first.ravel(), second.ravel())[0, 1] for first, second in combinations(maps, 2)]

    assert consistency(maps).value == pytest.approx(np.mean(pairs))


def test_equal_maps_are_fully_consistent_and_flat_ones_not_at_all() -> None:
    one = np.repeat(drawn(1), 5, axis=0)

    assert consistency(one).value == pytest.approx(1)
    assert consistency(with_heat(np.ones((5, 4, 4), np.float32))).value == 0


@pytest.mark.simulation
def test_the_interval_of_the_consistency_holds_the_truth_as_often_as_it_promises() -> None:
    shared = np.random.default_rng(1).normal(size=(6, 6))

    def maps(seed, count):
        noise = np.random.default_rng(seed).normal(size=(count, 6, 6))
        return 10 + shared + noise

    truth = consistency(maps(0, 1500)).value
    intervals = [consistency(maps(seed, 40)) for seed in range(1, 201)]

    assert np.mean([interval.low <= truth <= interval.high for interval in intervals]) == pytest.approx(0.95, abs=0.04)


@pytest.mark.simulation
def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_promises() -> None:
    held = []
    for seed in range(150):
        interval = mean_estimate(np.random.default_rng(seed).beta(2, 5, 60))
        held.append(interval.low <= 2 / 7 <= interval.high)

    assert np.mean(held) == pytest.approx(0.94, abs=0.04)


@pytest.mark.parametrize(
    ("low", "value", "high", "alarm"),
    [(0.37, 0.5, 0.6, True), (0.35, 0.5, 0.6, False), (0.1, 0.2, 0.3, False)],
)
def test_the_alarm_rings_where_the_whole_interval_lies_above_the_borders_area(low, value, high, alarm) -> None:
    assert looks_at_the_border(Estimate(value=value, low=low, high=high)) is alarm
