"""A machine for each test of this folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import Machine, reason_for_none

VARIABLES = ("CXR_MACHINE_TESTS", "CXR_DOCKER_TEST")
"""Where one is set, these tests run: two minutes of starting and waiting are too long for every run."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if not any(name in os.environ for name in VARIABLES):
        pytest.skip("make pacs-test runs this")
    if reason := reason_for_none():
        pytest.skip(reason)
    started = Machine(tmp_path)
    yield started
    started.end()
