"""Tests past one machine run where they are asked for alone, skip visibly elsewhere, and have a table."""

from types import SimpleNamespace

import pytest

from tests.scale import REASON, VARIABLE, ScaleVerdicts, skip_scale_tests


def report(node, outcome="passed", when="call", longrepr=None):
    return SimpleNamespace(
        nodeid=node,
        outcome=outcome,
        when=when,
        longrepr=longrepr,
        passed=outcome == "passed",
        skipped=outcome == "skipped",
        duration=1.5,
        user_properties=[("shown", ["21.6 replicas", "none analysed twice"]), ("figure", "p99 3 ms")],
    )


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_test_of_scale_skips_visibly_unless_it_is_asked_for(request, monkeypatch, asked_for) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if asked_for:
        monkeypatch.setenv(VARIABLE, "1")
    request.node.add_marker(pytest.mark.scale("21.6 replicas", "none analysed twice"))
    skip_scale_tests([request.node])
    reasons = [mark.kwargs["reason"] for mark in request.node.iter_markers("skip")]

    assert reasons == ([] if asked_for else [REASON])


@pytest.mark.parametrize("marks", [[], [pytest.mark.scale("21.5 protocol", "whole films", quick=True)]])
def test_a_test_without_the_marker_or_with_that_of_a_quick_one_is_left_alone(request, monkeypatch, marks) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    for mark in marks:
        request.node.add_marker(mark)
    skip_scale_tests([request.node])

    assert request.node.get_closest_marker("skip") is None


def test_the_table_has_the_verdict_and_the_seconds_of_every_step_of_a_test() -> None:
    verdicts = ScaleVerdicts()
    for when in ("setup", "call", "teardown"):
        verdicts.pytest_runtest_logreport(report("a.py::one[1]", when=when))
    verdicts.pytest_runtest_logreport(report("a.py::two", "skipped", "setup", ("a.py", 1, "Skipped: no nginx")))

    assert verdicts.table().splitlines()[2:] == [
        "| 21.6 replicas | none analysed twice | `a.py::one` | passed | 4.5 |",
        "| 21.6 replicas | none analysed twice | `a.py::two` | skipped: no nginx | 1.5 |",
        "",
        "- `one[1]`: p99 3 ms",
    ]
