"""Rules of the table of `make resilience`: what fails it, and where its figures come from."""

import numpy as np
import pytest

from benchmarks.resilience.experiments.soak import Sample, growth_mb_per_minute
from benchmarks.resilience.experiments.suites import Suite, row
from benchmarks.resilience.lever import CommandedEngine, Lever, Order, Panic
from benchmarks.resilience.table import Row
from tests.fakes import GatedEngine


@pytest.mark.parametrize(
    ("kept", "timing", "short", "full"),
    [(True, True, False, False), (True, False, False, False), (False, True, False, True), (False, False, True, True)],
)
def test_a_time_that_is_missed_fails_the_full_form_alone_and_a_wrong_answer_both(kept, timing, short, full) -> None:
    line = Row("load", "p99", "90 ms", "< 50 ms", kept, timing)

    assert (line.fails(full=False), line.fails(full=True)) == (short, full)
    assert str(line) == f"| load | p99 | 90 ms | < 50 ms | {'kept' if kept else 'MISSED'} |"


@pytest.mark.parametrize(
    ("path", "value", "kept"),
    [
        ("tests/service/test_a.py", "1 passed, 1 skipped", True),
        ("tests/service/security", "1 passed, 1 failure: x", False),
        ("tests/service/test_b.py", "1 error: x", False),
        ("tests/service/test_never.py", "not run", False),
        ("tests/service/test_skipped.py", "1 skipped", False),
    ],
)
def test_the_line_of_a_suite_counts_its_own_tests_in_the_report_and_names_those_that_failed(
    tmp_path, path, value, kept
) -> None:
    report = tmp_path / "report.xml"
    report.write_text("""<testsuites><testsuite>
        <testcase classname="tests.service.test_a" name="x"/>
        <testcase classname="tests.service.test_a" name="y"><skipped/></testcase>
        <testcase classname="tests.service.test_ab" name="z"><failure/></testcase>
        <testcase classname="tests.service.security.test_c" name="x"><system-out/><failure/></testcase>
        <testcase classname="tests.service.security.test_d.Class" name="x"/>
        <testcase classname="tests.service.test_b" name="x"><error/></testcase>
        <testcase classname="tests.service.test_skipped" name="x"><skipped/></testcase>
    </testsuite></testsuites>""")

    line = row(Suite("suite", "rule", path), report)

    assert (line.value, line.kept, line.timing) == (value, kept, False)


def test_the_growth_of_memory_is_the_slope_that_one_spike_does_not_move() -> None:
    samples = [Sample(second / 60, 100 + second / 20, 30) for second in range(60)]
    samples[30] = Sample(0.5, 900, 30)
    slope, low, high = growth_mb_per_minute(samples)

    assert slope == pytest.approx(3)
    assert low <= slope <= high


def test_the_engine_does_what_the_lever_says_and_every_run_is_counted(tmp_path) -> None:
    lever = Lever(tmp_path / "lever")
    behind = GatedEngine()
    engine = CommandedEngine(behind, lever)
    films = np.full((2, 1, 4, 4), 0.5, np.float32)
    engine.run(films, None)
    for order, failure in ((Order.FAIL, RuntimeError), (Order.PANIC, Panic)):
        lever.pull(order)
        with pytest.raises(failure):
            engine.run(films, None)

    assert lever.films == 6
    assert behind.batches == [[0.5, 0.5]]
