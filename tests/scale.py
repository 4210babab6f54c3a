"""Tests past one machine: real processes under load, too long for every run; `make scale-test` runs them.

A test names the point of the promise and what it shows by `@pytest.mark.scale("21.6 replicas", "none analysed twice")`.
One that takes seconds alone says `quick=True`, and every run has it.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from tests.verdicts import MarkedTests, cell

VARIABLE = "CXR_SCALE_TESTS"
"""Where it is set, these tests run."""
REASON = "make scale-test runs this"


def skip_scale_tests(items: Iterable[pytest.Item]) -> None:
    """Skip the tests that only `make scale-test` runs, visibly and before their fixtures start anything."""
    if os.environ.get(VARIABLE):
        return
    for item in items:
        mark = item.get_closest_marker("scale")
        if mark is not None and not mark.kwargs.get("quick"):
            item.add_marker(pytest.mark.skip(reason=REASON))


@dataclass(slots=True, eq=False)
class ScaleVerdicts(MarkedTests):
    """The plugin of these tests: prints the table of the promise."""

    marker: str = "scale"
    figures: list[str] = field(default_factory=list)
    """What tests measured, by `record_property("figure", …)`."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the verdict, and what was measured."""
        MarkedTests.pytest_runtest_logreport(self, report)
        if report.when == "call":
            test = report.nodeid.rpartition("::")[2]
            self.figures += [f"- `{test}`: {text}" for name, text in report.user_properties if name == "figure"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        terminalreporter.section("point of the promise -> test -> verdict")
        terminalreporter.write_line(self.table())

    def table(self) -> str:
        """Points in order, each with its tests; tests that took no part are not in it."""
        lines = [
            "| point of the promise | what is shown | test | verdict | seconds |",
            "| --- | --- | --- | --- | ---: |",
        ]
        verdicts = self.verdicts()
        lines += [
            f"| {row.clause} | {cell(row.demand)} | `{row.test}` | {cell(verdicts[row])} | {self.seconds[row]:.1f} |"
            for row in sorted(verdicts)
        ]
        return "\n".join([*lines, "", *self.figures])
