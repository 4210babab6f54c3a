"""Experiments that are tests already: their files are run, and what they report is shown."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.resilience.table import Row


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that show one property of the service."""

    experiment: str
    figure: str
    paths: tuple[str, ...]
    selection: str = ""
    """Of pytest's -k."""


CORPORA = Suite(
    "corpora of hostile files",
    "test images of Pillow and pydicom, mutated films: no 5xx, no crash",
    ("tests/service/test_corpora.py",),
    "not bomb",
)
SUITES = (
    CORPORA,
    Suite("keys, tokens, quotas", "what no key opens stays shut", ("tests/service/security",)),
    Suite("patient data", "markers come back nowhere", ("tests/service/test_patient_data.py",)),
    Suite("audit chain", "a changed log is found, a killed one goes on", ("tests/service/audit",)),
    Suite("signatures of bundles", "unsigned and changed ones are refused", ("tests/service/test_trust.py",)),
    Suite("contract (schemathesis)", "every answer stands in the document", ("tests/service/test_contract.py",)),
)


def suites(*, full: bool) -> list[Row]:
    """Runs them all; the short form leaves out tests that are marked as slow."""
    return [_run(suite, full=full) for suite in SUITES]


def _run(suite: Suite, *, full: bool) -> Row:
    command = [sys.executable, "-m", "pytest", *suite.paths, "-q", "-p", "no:cacheprovider"]
    command += ["-k", suite.selection] if suite.selection else []
    command += [] if full else ["-m", "not slow"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run([*command, f"--junitxml={report}"], env=environment, capture_output=True, check=False)
        if not report.exists():
            return Row(suite.experiment, suite.figure, f"pytest ended with {done.returncode}", "0 failed", kept=False)
        counts = _counts(report)
    value = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count or outcome == "passed")
    return Row(suite.experiment, suite.figure, value, "0 failed", done.returncode == 0)


def _counts(report: Path) -> dict[str, int]:
    """How many tests ended how. Source: the attributes of JUnit's testsuite element, as pytest writes them."""
    suite = next(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 pytest has written it just now
    total, failed, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    return {"passed": total - failed - errors - skipped, "failed": failed + errors, "skipped": skipped}
