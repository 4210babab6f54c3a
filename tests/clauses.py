"""Which clause of a standard a test shows, and the table of clauses, tests and verdicts that `make ihe-test` writes.

A test names its clauses by `@pytest.mark.clause("PS3.18 11.7", "what it demands")`, with literal texts: the table is
compared with the sources without running anything.
"""

import ast
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGE = "docs/ihe-conformance.md"
PACKAGES = ("orthanc", "orthanc-dicomweb", "dcmtk", "dicom3tools", "postgresql")
"""Debian's packages that tests of clauses use as the other side."""
_MARK = "mark.clause"
_PROPERTY = "clause"
_HEAD = """# Standards, clause by clause

This page lists each clause of a standard that a test shows, with the test and its verdict. `make ihe-test` runs the
tests on loopback and writes the page; a test compares it with the sources. What the service offers is stated in
[DICOM objects and FHIR](dicom-objects.md), [PACS](pacs.md), [DIMSE](dimse.md) and [worklist](worklist.md). A clause
that is not listed here is not claimed to be tested.
"""


class Row(NamedTuple):
    """A clause, and a test of it."""

    clause: str
    """The standard and, as the last word, the section."""
    demand: str
    test: str
    """`path::name`, without the values of its parameters."""


@dataclass(slots=True, eq=False)
class Verdicts:
    """A plugin that runs the tests of clauses alone, and knows how they ended; of several workers too."""

    page: Path | None
    """Where the table is written; None: it is printed alone."""
    outcomes: dict[Row, Counter[str]] = field(default_factory=dict)
    reasons: dict[Row, str] = field(default_factory=dict)

    @staticmethod
    def pytest_ignore_collect(collection_path: Path) -> bool | None:
        """Leave out files without such a test: most of them import what takes long."""
        if collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
            return None
        return None if _MARK in collection_path.read_text(encoding="utf-8") else True

    @staticmethod
    def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
        """Choose the tests, and write the clauses of each where its reports carry them from a worker."""
        others = [item for item in items if item.get_closest_marker("clause") is None]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker("clause") is not None]
        for item in items:
            for mark in item.iter_markers("clause"):
                item.user_properties.append((_PROPERTY, list(mark.args)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: its call, or the step before or after it that did not pass."""
        if report.when != "call" and report.passed:
            return
        for name, value in report.user_properties:
            if name == _PROPERTY and isinstance(value, list):
                clause, demand = value
                row = Row(clause, demand, report.nodeid.partition("[")[0])
                self.outcomes.setdefault(row, Counter())[report.outcome] += 1
                if report.skipped and isinstance(report.longrepr, tuple):
                    self.reasons[row] = str(report.longrepr[2]).removeprefix("Skipped: ")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, and write it where that was asked for."""
        verdicts = {row: verdict(outcomes, self.reasons.get(row, "")) for row, outcomes in self.outcomes.items()}
        terminalreporter.section("clause -> test -> verdict")
        terminalreporter.write_line(page(verdicts, versions()))
        if self.page is not None and verdicts:
            verdicts = kept(self.page, ROOT / "tests") | verdicts
            self.page.write_text(page(verdicts, versions()), encoding="utf-8")


def verdict(outcomes: Mapping[str, int], reason: str) -> str:
    """How a test ended, in words."""
    cases = sum(outcomes.values())
    if outcomes.get("failed"):
        return f"**failed**, {outcomes['failed']} of {cases}" if cases > 1 else "**failed**"
    if outcomes.get("skipped") == cases:
        return f"skipped: {reason}"
    passed = f"passed, {outcomes['passed']} cases" if outcomes["passed"] > 1 else "passed"
    return f"{passed}, {outcomes['skipped']} skipped: {reason}" if outcomes.get("skipped") else passed


def page(verdicts: Mapping[Row, str], packages: str) -> str:
    """The whole page."""
    parts = [_HEAD, f"Run with: {packages}.\n"]
    rows = sorted(verdicts, key=lambda row: (_standard(row), _order(row.clause), row.test))
    for standard in dict.fromkeys(map(_standard, rows)):
        parts.append(f"## {standard}\n\n| clause | what it demands | test | verdict |\n| --- | --- | --- | --- |")
        parts += [
            f"| {row.clause} | {row.demand} | `{row.test}` | {_cell(verdicts[row])} |"
            for row in rows
            if _standard(row) == standard
        ]
        parts.append("")
    return "\n".join(parts)


def listed(text: str) -> dict[Row, str]:
    """The rows of a page, with their verdicts."""
    cells = (line.strip("| ").split(" | ", 3) for line in text.splitlines() if line.startswith("| ") and "`" in line)
    return {Row(clause, demand, test.strip("`")): words for clause, demand, test, words in cells}


def kept(written: Path, tests: Path) -> dict[Row, str]:
    """The verdicts of a page on tests that the sources still have: a run of some tests leaves the others alone."""
    there = listed(written.read_text(encoding="utf-8")) if written.exists() else {}
    return {row: there[row] for row in marked(tests) if row in there}


def marked(folder: Path) -> Iterator[Row]:
    """The rows that the sources of a folder of tests have, read and not run."""
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if _MARK in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    test = f"{path.relative_to(folder.parent).as_posix()}::{node.name}"
                    yield from (Row(clause, demand, test) for clause, demand in _arguments(node.decorator_list))


def versions() -> str:
    """Debian's packages on this machine."""
    if shutil.which("dpkg-query") is None:
        return "no packages of Debian"
    asked = ["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *PACKAGES]
    lines = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30).stdout.splitlines()
    return ", ".join(sorted(line for line in lines if " " in line.strip())) or "no packages of Debian"


def _arguments(decorators: Iterable[ast.expr]) -> Iterator[tuple[str, str]]:
    for call in decorators:
        if isinstance(call, ast.Call) and ast.unparse(call.func) == f"pytest.{_MARK}":
            clause, demand = (ast.literal_eval(argument) for argument in call.args)
            yield clause, demand


def _standard(row: Row) -> str:
    return row.clause.rpartition(" ")[0]


def _order(clause: str) -> list[tuple[int, str]]:
    """Sections as they follow one another: 11.9 before 11.10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", clause)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
