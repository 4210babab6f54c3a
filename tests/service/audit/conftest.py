"""An audit log to look into."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def records(log: Path) -> list[dict[str, object]]:
    """The lines of the file that grows."""
    return [json.loads(line) for line in log.read_bytes().splitlines()]
