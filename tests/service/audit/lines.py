"""The lines of an audit log."""

import json
from pathlib import Path
from typing import Any


def records(log: Path) -> list[dict[str, Any]]:
    """The lines of the file that grows."""
    return [json.loads(line) for line in log.read_bytes().splitlines()]
