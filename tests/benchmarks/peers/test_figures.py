"""Ratios within rounds, and their intervals."""

import pytest

from benchmarks.peers.figures import best_peer, median_or_none, ratio
from tests.benchmarks.peers.records import results, window


def test_a_ratio_pairs_the_rounds_so_that_a_slow_minute_changes_nothing() -> None:
    found = ratio({0: 60.0, 1: 30.0, 2: 90.0}, {0: 50.0, 1: 25.0, 2: 75.0})

    assert (found.value, found.low, found.high) == pytest.approx((1.2, 1.2, 1.2))


def test_the_interval_encloses_the_geometric_mean_and_stays_within_the_rounds() -> None:
    found = ratio({0: 50.0, 1: 100.0, 2: 200.0}, {0: 100.0, 1: 100.0, 2: 100.0})

    assert found.value == pytest.approx(1.0)
    assert 0.5 <= found.low < 1 < found.high <= 2.0


def test_rounds_that_only_one_of_them_has_do_not_count() -> None:
    assert ratio({0: 50.0, 1: 10.0}, {0: 100.0, 2: 1.0}).value == pytest.approx(0.5)
    assert ratio({0: 50.0}, {1: 50.0}) is None
    assert ratio({0: 0.0}, {0: 50.0}) is None


def test_the_best_peer_is_neither_ours_nor_bare_and_only_windows_that_count_make_it_so() -> None:
    measured = results(
        [
            window("bare", 100),
            window("ours", 90),
            window("litserve", 60),
            window("ray", 99, kept=False),
            window("ray", 40, 1),
        ]
    )

    assert best_peer(measured, "fp32", 8) == "litserve"
    assert best_peer(measured, "int8", 8) is None


def test_a_median_leaves_out_what_is_not_known() -> None:
    assert median_or_none([None, 3.0, 1.0, 2.0]) == 2.0
    assert median_or_none([None]) is None
