"""Tests past one machine: real processes under load, too long for every run; `make scale-test` runs them.

A test names the point of the promise and what it shows by `@pytest.mark.scale("21.6 replicas", "none analysed twice")`.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

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
        if item.get_closest_marker("scale") is not None:
            item.add_marker(pytest.mark.skip(reason=REASON))


@dataclass(slots=True, eq=False)
class ScaleVerdicts(MarkedTests):
    """The plugin of these tests: prints the table of the promise."""

    marker: str = "scale"

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
        return "\n".join(lines)
