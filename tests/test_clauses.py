"""The table of clauses says of which tests it is, and how they ended."""

from collections import Counter
from types import SimpleNamespace

import pytest

from tests.clauses import PAGE, ROOT, Verdicts, kept, listed, marked, page
from tests.verdicts import Row, verdict


def report(node, outcome="passed", when="call", longrepr=None, clause="PS3.18 11.7"):
    return SimpleNamespace(
        nodeid=node,
        outcome=outcome,
        when=when,
        longrepr=longrepr,
        passed=outcome == "passed",
        skipped=outcome == "skipped",
        duration=0.25,
        user_properties=[("shown", [clause, "a demand"])],
    )


def test_the_committed_table_lists_exactly_the_tests_that_name_a_clause() -> None:
    there = listed((ROOT / PAGE).read_text(encoding="utf-8")).keys()
    wanted = set(marked(ROOT / "tests"))

    assert {"listed, not in the sources": there - wanted, "not listed; run make ihe-test": wanted - there} == {
        "listed, not in the sources": set(),
        "not listed; run make ihe-test": set(),
    }


def test_the_committed_table_has_no_failure() -> None:
    assert "**failed**" not in (ROOT / PAGE).read_text(encoding="utf-8")


def test_every_clause_names_a_standard_and_a_section() -> None:
    assert [row for row in marked(ROOT / "tests") if not row.clause.rpartition(" ")[0] or "|" in row.demand] == []


def test_a_test_is_counted_by_its_cases_and_by_what_did_not_pass() -> None:
    verdicts = Verdicts()
    for case in ("a.py::one[1]", "a.py::one[2]"):
        verdicts.pytest_runtest_logreport(report(case, when="setup"))
        verdicts.pytest_runtest_logreport(report(case))
    verdicts.pytest_runtest_logreport(report("a.py::two", "failed", "setup"))
    verdicts.pytest_runtest_logreport(report("a.py::three", "skipped", "setup", ("a.py", 1, "Skipped: no Orthanc")))

    assert verdicts.outcomes == {
        Row("PS3.18 11.7", "a demand", "a.py::one"): Counter(passed=2),
        Row("PS3.18 11.7", "a demand", "a.py::two"): Counter(failed=1),
        Row("PS3.18 11.7", "a demand", "a.py::three"): Counter(skipped=1),
    }
    assert verdicts.reasons == {Row("PS3.18 11.7", "a demand", "a.py::three"): "no Orthanc"}


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (Counter(passed=1), "passed"),
        (Counter(passed=3), "passed, 3 cases"),
        (Counter(passed=1, skipped=1), "passed, 1 skipped: why"),
        (Counter(skipped=2), "skipped: why"),
        (Counter(failed=1), "**failed**"),
        (Counter(passed=2, failed=1), "**failed**, 1 of 3"),
    ],
)
def test_a_verdict_hides_no_failure_and_no_skip(outcomes, words) -> None:
    assert verdict(outcomes, "why") == words


def test_sections_follow_one_another_and_what_is_written_is_read_again() -> None:
    rows = {
        Row("PS3.18 11.10", "subscribe", "a.py::one"): "passed",
        Row("PS3.18 11.9", "search", "a.py::two"): "passed",
        Row("PS3.4 CC.1.1", "states", "a.py::two"): "passed",
    }
    text = page(rows, "nothing")

    assert listed(text) == rows
    assert text.index("11.9") < text.index("11.10") < text.index("## PS3.4")


def test_a_run_of_some_tests_keeps_the_verdicts_on_others_and_forgets_what_is_no_more(tmp_path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_a.py").write_text('@pytest.mark.clause("PS3.4 A", "echo")\ndef test_echo(): ...\n')
    row = Row("PS3.4 A", "echo", "tests/test_a.py::test_echo")
    (tmp_path / "page.md").write_text(page({row: "passed", row._replace(demand="other"): "passed"}, "nothing"))

    assert kept(tmp_path / "page.md", tests) == {row: "passed"}
