"""Rules of the threads that compute."""

import os
import sys
import threading

import pytest

from service.capacity.threads import ROUTINE, SPARE, ThreadLanes, computing_threads

pytestmark = [
    pytest.mark.niceness,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is of the whole process"),
]


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_the_system_prefers_the_event_loop_and_stat_films_to_routine_films_and_those_to_the_loader() -> None:
    before = niceness()
    with ThreadLanes("decode", routine=2, stat=1) as lanes, computing_threads(1, "loader", SPARE) as loader:
        stat, routine, spare = (
            pool.submit(niceness).result(10) for pool in (lanes.of("stat"), lanes.of("routine"), loader)
        )

    assert (stat, routine, spare) == (before, min(19, before + ROUTINE), 19)
    assert niceness() == before


def test_a_lane_that_is_full_does_not_hold_the_other() -> None:
    gate = threading.Event()
    with ThreadLanes("decode", routine=1, stat=1) as lanes:
        held = lanes.of("routine").submit(gate.wait, 30)

        assert lanes.of("stat").submit(lambda: "done").result(10) == "done"
        assert not held.done()
        gate.set()
