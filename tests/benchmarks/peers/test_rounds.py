"""The rounds: who comes when, and which windows count."""

import time
from collections import Counter
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.peers.load import Load
from benchmarks.peers.machine import Usage
from benchmarks.peers.rounds import Place, Plan, Reading, in_words, run_rounds, settle, window_of
from benchmarks.peers.servers import StartError

PLACE = Place("ours", "fp32", 8, 0)
LOAD = Load(answered=100, films=90, span_s=2.0, p50_ms=10, p99_ms=20, errors=0)


def plan(peers=("ours", "bare", "ray"), **changes):
    chosen: dict[str, Any] = {
        "precisions": ["fp32", "int8"],
        "clients": [1, 8],
        "rounds": 4,
        "seconds": 1,
        "seed": 0,
    } | changes
    return Plan(peers=list(peers), **chosen)


def reading(foreign, joules=None):
    return Reading(Usage(0, 0, 0, 0), Usage(4, 3.2 + 4 * foreign, 0.2, 3.0), joules)


class FakeServer:
    """Answers every window alike."""

    first_answer_s = 0.5

    def __init__(self) -> None:
        self.loads = []

    def load(self, clients, seconds):
        self.loads.append((clients, seconds))
        return LOAD

    def family(self):
        return []


def test_every_peer_has_a_turn_in_every_round_and_the_seed_draws_the_order() -> None:
    turns = list(plan().turns())
    by_round = [[turn[1:3] for turn in turns if turn[0] == number] for number in range(4)]

    assert all(len(set(each)) == 6 for each in by_round)
    assert len({tuple(each) for each in by_round}) > 1
    assert all(sorted(clients) == [1, 8] for *_, clients in turns)
    assert turns == list(plan().turns())
    assert turns != list(plan(seed=1).turns())


def test_a_cost_is_that_of_a_second_by_the_films_of_a_second_after_the_warm_up() -> None:
    window = window_of(PLACE, LOAD, reading(0.1, joules=250.0), 0.5)

    assert window.films_per_s == 45.0
    assert window.cpu_ms_per_film == pytest.approx(1e3 * (3.0 / 4) / 45)
    assert window.joules_per_film == pytest.approx((250 / 4) / 45)
    assert window.foreign_cores == pytest.approx(0.1)


@pytest.mark.parametrize(("foreign", "kept"), [(0.0, True), (0.45, True), (0.55, False), (1.5, False)])
def test_a_window_counts_where_others_had_at_most_half_a_core(foreign, kept) -> None:
    window = window_of(PLACE, LOAD, reading(foreign), 0.5)

    assert window.kept is kept
    assert ("dropped" in in_words(window)) is not kept
    assert window.joules_per_film is None


def test_a_window_on_a_busy_machine_is_repeated_and_a_run_on_one_ends() -> None:
    server = FakeServer()

    @contextmanager
    def start(_peer, _precision):
        yield server

    measured = run_rounds(
        plan(["ours"], precisions=["fp32"], rounds=2, foreign_limit=-1.0, most_repeats=3), start, lambda _line: None
    )

    # Two rounds of two windows, three repeats in all: the first window has two of them, and the second one.
    assert Counter((window.round, window.kept) for window in measured.windows) == {(0, False): 5, (1, False): 2}
    assert server.loads[0] == (8, 1)  # before the first window, so that no window pays for what starts late
    assert [each.first_answer_s for each in measured.starts] == [0.5, 0.5]


def test_a_window_begins_when_the_server_has_done_with_the_one_before() -> None:
    spent = iter([0.0, 5.0, 9.0, 9.0, 9.0])

    settle(FakeServer(), lambda _family: Usage(time.perf_counter(), 0.0, 0.0, next(spent)))

    assert next(spent) == 9.0  # four readings: it was busy between the first three


def test_a_peer_that_does_not_start_is_a_note_and_the_others_go_on() -> None:
    @contextmanager
    def start(peer, precision):
        if peer == "ray":
            reason = f"{peer} at {precision}: it answered no film"
            raise StartError(reason)
        yield FakeServer()

    measured = run_rounds(plan(["ray", "ours"], rounds=1, foreign_limit=99.0), start, lambda _line: None)

    assert sorted(measured.notes) == ["ray at fp32: it answered no film", "ray at int8: it answered no film"]
    assert {window.peer for window in measured.windows} == {"ours"}
