"""Which clause of a standard a test shows, and the table of clauses, tests and verdicts that `make ihe-test` writes.

A test names its clauses by `@pytest.mark.clause("PS3.18 11.7", "what it demands")`, with literal texts: the table is
compared with the sources without running anything.
"""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.verdicts import MarkedTests, Row, cell

ROOT = Path(__file__).parent.parent
PAGE = "docs/ihe-conformance.md"
PACKAGES = ("orthanc", "orthanc-dicomweb", "dcmtk", "dicom3tools", "postgresql")
"""Debian's packages that tests of clauses use as the other side."""
_MARK = "mark.clause"
_HEAD = """# Standards, clause by clause

This page lists each clause of a standard that a test shows, with the test and its verdict. `make ihe-test` runs the
tests on loopback and writes the page; a test compares it with the sources. What the service offers is stated in
[DICOM objects and FHIR](dicom-objects.md), [PACS](pacs.md), [DIMSE](dimse.md) and [worklist](worklist.md). A clause
that is not listed here is not claimed to be tested.
"""


@dataclass(slots=True, eq=False)
class Verdicts(MarkedTests):
    """The plugin of the tests of clauses: prints their table, and may write it."""

    marker: str = "clause"
    page: Path | None = None
    """Where the table is written; None: it is printed alone."""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, and write it where that was asked for."""
        verdicts = self.verdicts()
        terminalreporter.section("clause -> test -> verdict")
        terminalreporter.write_line(page(verdicts, versions()))
        if self.page is not None and verdicts:
            verdicts = kept(self.page, ROOT / "tests") | verdicts
            self.page.write_text(page(verdicts, versions()), encoding="utf-8")


def page(verdicts: Mapping[Row, str], packages: str) -> str:
    """The whole page."""
    parts = [_HEAD, f"Run with: {packages}.\n"]
    rows = sorted(verdicts, key=lambda row: (_standard(row), _order(row.clause), row.test))
    for standard in dict.fromkeys(map(_standard, rows)):
        parts.append(f"## {standard}\n\n| clause | what it demands | test | verdict |\n| --- | --- | --- | --- |")
        parts += [
            f"| {row.clause} | {row.demand} | `{row.test}` | {cell(verdicts[row])} |"
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
