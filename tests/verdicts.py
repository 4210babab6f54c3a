"""Tests that name what they show by a marker of two literal texts, and how they ended: for tables of verdicts."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

_PROPERTY = "shown"


class Row(NamedTuple):
    """What is demanded, and a test of it."""

    clause: str
    """Where the demand stands: a standard and its section, or a point of a promise."""
    demand: str
    test: str
    """`path::name`, without the values of its parameters."""


@dataclass(slots=True, eq=False)
class MarkedTests:
    """A plugin that runs the tests of a marker alone, and knows how they ended; of several workers too."""

    marker: str
    outcomes: dict[Row, Counter[str]] = field(default_factory=dict)
    reasons: dict[Row, str] = field(default_factory=dict)
    seconds: defaultdict[Row, float] = field(default_factory=lambda: defaultdict(float))
    """What the cases of a test took, their fixtures included."""

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out files without such a test: most of them import what takes long."""
        if collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
            return None
        return None if f"mark.{self.marker}(" in collection_path.read_text(encoding="utf-8") else True

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Choose the tests, and write what each shows where its reports carry it from a worker."""
        others = [item for item in items if item.get_closest_marker(self.marker) is None]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker(self.marker) is not None]
        for item in items:
            for mark in item.iter_markers(self.marker):
                item.user_properties.append((_PROPERTY, list(mark.args)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: its call, or the step before or after it that did not pass."""
        for name, value in report.user_properties:
            if name == _PROPERTY and isinstance(value, list):
                clause, demand = value
                self._count(Row(clause, demand, report.nodeid.partition("[")[0]), report)

    def verdicts(self) -> dict[Row, str]:
        """How each test ended, in words."""
        return {row: verdict(outcomes, self.reasons.get(row, "")) for row, outcomes in self.outcomes.items()}

    def _count(self, row: Row, report: pytest.TestReport) -> None:
        self.seconds[row] += report.duration
        if report.when != "call" and report.passed:
            return
        self.outcomes.setdefault(row, Counter())[report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            self.reasons[row] = str(report.longrepr[2]).removeprefix("Skipped: ")


def verdict(outcomes: Mapping[str, int], reason: str) -> str:
    """How a test ended, in words."""
    cases = sum(outcomes.values())
    if outcomes.get("failed"):
        return f"**failed**, {outcomes['failed']} of {cases}" if cases > 1 else "**failed**"
    if outcomes.get("skipped") == cases:
        return f"skipped: {reason}"
    passed = f"passed, {outcomes['passed']} cases" if outcomes["passed"] > 1 else "passed"
    return f"{passed}, {outcomes['skipped']} skipped: {reason}" if outcomes.get("skipped") else passed


def cell(text: str) -> str:
    """A text as one cell of a table of Markdown."""
    return text.replace("|", "\\|").replace("\n", " ")
