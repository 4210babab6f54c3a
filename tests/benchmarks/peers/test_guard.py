"""The guard is red only where the service is slow, never where the machine is busy."""

import math

import pytest

from benchmarks.peers.guard import FEWEST_PAIRS, NOT_JUDGED, judge, pairs_of
from benchmarks.peers.load import Load
from benchmarks.peers.rounds import Plan
from tests.benchmarks.peers.records import window


def pair(ours, bare=100.0, number=0, *, kept=True, errors=0):
    return window("ours", ours, number, kept=kept, errors=errors), window("bare", bare, number)


def noisy(ratio, count=10):
    """Pairs whose machine is fast and slow in turns, and whose ratio scatters by a tenth."""
    speeds = [100.0, 40.0, 70.0]
    scatter = [0.9, 1.0, 1.1, 1.05, 0.95]
    return [
        pair(ratio * scatter[number % 5] * speeds[number % 3], speeds[number % 3], number) for number in range(count)
    ]


@pytest.mark.parametrize(("ratio", "status"), [(0.9, 0), (0.72, 0), (0.69, 0), (0.6, 1), (0.3, 1)])
def test_it_is_red_where_the_whole_interval_is_below_the_floor(ratio, status) -> None:
    verdict = judge(noisy(ratio), 0.7)

    assert verdict.status == status
    assert ("too slow" in verdict.reason) is bool(status)
    assert "the floor is 0.70" in verdict.reason


def test_a_busy_machine_is_not_judged() -> None:
    pairs = [*noisy(0.3, FEWEST_PAIRS - 1), *(pair(10.0, kept=False) for _ in range(9))]

    verdict = judge(pairs, 0.7)

    assert verdict.status == NOT_JUDGED
    assert verdict.reason.startswith("not judged: the machine is busy")


def test_films_that_are_not_answered_are_red_however_fast_the_others_are() -> None:
    assert judge([*noisy(0.9), pair(99.0, errors=1)], 0.7).status == 1


class Answering:
    """Serves every window alike."""

    first_answer_s = 0.0

    def load(self, _clients, _seconds):
        return Load(answered=10, films=9, span_s=1.0, p50_ms=1, p99_ms=2, errors=0)

    def family(self):
        return []


@pytest.mark.parametrize(("limit", "pairs"), [(math.inf, 3), (-1.0, 5)])
def test_it_ends_with_enough_quiet_pairs_or_gives_up(limit, pairs) -> None:
    plan = Plan(["ours", "bare"], ["fp32"], [8], rounds=3, seconds=1, seed=0, foreign_limit=limit)

    found = list(pairs_of(plan, Answering(), Answering(), most=5))

    assert len(found) == pairs
    assert all((ours.peer, bare.peer) == ("ours", "bare") for ours, bare in found)
