"""Experiments that are tests already: their files are run, or have been, and what their report says is shown."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.resilience.table import Row

_OUTCOMES = ("failure", "error", "skipped")
_GOOD = ({"passed"}, {"passed", "skipped"})


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that show one property of the service."""

    experiment: str
    figure: str
    path: str


SUITES = (
    Suite(
        "corpora", "test images of Pillow and pydicom, mutated films: no 5xx, no crash", "tests/service/test_corpora.py"
    ),
    Suite("keys, tokens, quotas", "what no key opens stays shut", "tests/service/security"),
    Suite("patient data", "markers come back nowhere", "tests/service/test_patient_data.py"),
    Suite("audit chain", "a changed log is found, a killed one goes on", "tests/service/audit"),
    Suite("signatures of bundles", "unsigned and changed ones are refused", "tests/service/models/test_trust.py"),
    Suite("contract, by schemathesis", "every answer stands in the document", "tests/service/test_contract.py"),
)


def suites(report: Path | None, *, full: bool) -> list[Row]:
    """One line for each suite.

    Args:
        report: JUnit report of a run of all tests; None: they are run now.
        full: run those that are marked as slow, too.
    """
    if report is not None:
        return [row(suite, report) for suite in SUITES]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            *(suite.path for suite in SUITES),
            "-q",
            "-n",
            "auto",
            f"--junitxml={made}",
        ]
        chosen = [] if full else ["-m", "not slow"]
        threads = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([*command, "--dist", "loadfile", *chosen], env=threads, capture_output=True, check=False)
        return [row(suite, made) for suite in SUITES]


def row(suite: Suite, report: Path) -> Row:
    """The line of a suite; none of its tests in the report is a failure.

    Source: JUnit's testcase element as pytest writes it: module and class in `classname`, and what was not passed in
    a child element.
    """
    module = suite.path.removesuffix(".py").replace("/", ".")
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314 pytest has written it
    ours = [
        (next((child.tag for child in case if child.tag in _OUTCOMES), "passed"), case.get("name"))
        for case in cases
        if f"{case.get('classname')}.".startswith(f"{module}.")
    ]
    counts = Counter(outcome for outcome, _ in ours)
    value = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", *_OUTCOMES) if counts[outcome])
    if broken := [str(name) for outcome, name in ours if outcome in {"failure", "error"}]:
        value += f": {', '.join(broken)}"
    return Row(suite.experiment, suite.figure, value or "not run", "no failure", set(counts) in _GOOD)
