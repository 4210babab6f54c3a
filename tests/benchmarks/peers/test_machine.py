"""Who had the cores: arithmetic on the texts of /proc."""

import os
import subprocess
import sys

import pytest

from benchmarks.peers.machine import TICKS_PER_S, Usage, busy_s, cpu_s, family, foreign_cores, pss_mb, relatives

STAT = """cpu  900 0 0 9000 0 0 0 0 0 0
cpu0 100 10 20 4000 500 1 2 30 50 0
cpu1 200 0 0 4000 0 0 0 0 0 0
cpu2 600 0 0 1000 0 0 0 0 0 0
intr 12345
"""


def test_busy_is_all_but_idle_and_waiting_of_the_cores_that_count_with_what_a_hypervisor_took() -> None:
    assert busy_s(STAT, {0}) == pytest.approx((100 + 10 + 20 + 1 + 2 + 30) / TICKS_PER_S)
    assert busy_s(STAT, {0, 1}) == pytest.approx((163 + 200) / TICKS_PER_S)


def test_a_process_counts_with_the_children_that_it_has_waited_for_whatever_its_name_is() -> None:
    stat = "42 (a (strange) name) S 1 42 42 0 -1 4194304 1 2 3 4 100 20 7 3 20 0 1 0 999 1 1"

    assert cpu_s(stat) == pytest.approx(130 / TICKS_PER_S)


def test_foreign_is_what_neither_the_server_nor_the_generator_had() -> None:
    before = Usage(at_s=10, busy_s=100, own_s=5, family_s=50)
    after = Usage(at_s=14, busy_s=107, own_s=6, family_s=53)

    assert foreign_cores(before, after) == pytest.approx((7 - 1 - 3) / 4)
    assert foreign_cores(before, Usage(at_s=14, busy_s=103.9, own_s=6, family_s=53)) == 0.0


def test_a_family_is_who_descends_and_who_is_left_of_the_session() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 13: 1, 14: 13, 20: 1}
    sessions = {1: 1, 10: 10, 11: 10, 12: 12, 13: 10, 14: 14, 20: 20}

    assert relatives(10, parents, sessions) == [10, 11, 12, 13, 14]  # 13 has lost its parent, 14 is its child
    assert relatives(99, parents, sessions) == []


@pytest.mark.process
def test_a_family_of_real_processes_has_memory_and_is_found() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, start_new_session=True) as parent:
        while len(found := family(parent.pid)) < 2:
            pass
        memory = pss_mb(found)
        assert parent.stdin is not None
        parent.stdin.close()

    assert found[0] == parent.pid
    assert os.getpid() not in found
    assert 1 < memory < 200
    assert pss_mb(found) == 0.0  # they have ended
