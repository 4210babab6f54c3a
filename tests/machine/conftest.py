"""A machine for each test of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import Machine, reason_for_none


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if reason := reason_for_none():
        pytest.skip(reason)
    started = Machine(tmp_path)
    yield started
    started.end()
