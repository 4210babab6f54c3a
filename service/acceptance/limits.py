"""The limits of a test: read, and on disk with their hash before any label is read."""

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from bundle.files import write_whole
from schemas.acceptance import LIMITS, FigureName, Limit, RecordedLimits
from schemas.errors import EvidenceError
from schemas.model.calibration import Fraction
from schemas.record import Record

LIMITS_COPY: Final = "limits.yaml"
"""In the report's folder, the very bytes that were hashed."""
LARGEST: Final = 64 * 1024


class LimitsFile(Record):
    """What the limits file may hold."""

    limits: dict[FigureName, Limit] = Field(min_length=1)
    stated_prevalence: Fraction | None = None


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits and the bytes they stand in."""

    content: bytes
    stated: LimitsFile

    @property
    def sha256(self) -> str:
        """Of the bytes."""
        return sha256(self.content).hexdigest()


def read_limits(path: Path) -> ReadLimits:
    """The limits of a YAML file.

    Raises:
        EvidenceError: it cannot be read, or holds something else than limits of known figures.
    """
    import yaml  # noqa: PLC0415 the service itself never needs it

    try:
        content = path.read_bytes()
        if len(content) > LARGEST:
            msg = f"{path} has {len(content)} bytes, and a limits file at most {LARGEST}; name the limits file"
            raise EvidenceError(msg)
        stated = LimitsFile.model_validate(yaml.safe_load(content))
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); write the limits first: docs/acceptance.md shows a file"
        raise EvidenceError(msg) from error
    except yaml.YAMLError as error:
        msg = f"{path} is not YAML ({str(error).splitlines()[0]}); docs/acceptance.md shows a file of limits"
        raise EvidenceError(msg) from error
    except ValidationError as error:
        msg = f"{path}: {_first(error)}; docs/acceptance.md lists the figures"
        raise EvidenceError(msg) from error
    return ReadLimits(content, stated)


def record_limits(folder: Path, limits: ReadLimits, at: datetime) -> RecordedLimits:
    """Write the limits into the report's folder, which must hold nothing yet; from here on they cannot change.

    Raises:
        EvidenceError: the folder holds something, or cannot be written.
    """
    recorded = RecordedLimits(
        sha256=limits.sha256,
        recorded_at=at,
        limits=limits.stated.limits,
        stated_prevalence=limits.stated.stated_prevalence,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            msg = f"--out {folder} is not empty; a report is never overwritten: give another folder"
            raise EvidenceError(msg)
        write_whole(folder / LIMITS_COPY, limits.content)
        write_whole(folder / LIMITS, (recorded.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        msg = f"--out {folder} cannot be written ({error.strerror}); give another folder"
        raise EvidenceError(msg) from error
    return recorded


def recorded_limits(folder: Path) -> RecordedLimits:
    """The limits as the folder holds them.

    Raises:
        OSError: they are not there.
        pydantic.ValidationError: they were altered.
    """
    return RecordedLimits.model_validate(json.loads((folder / LIMITS).read_bytes()))


def _first(error: ValidationError) -> str:
    entry: Any = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in entry["loc"]) or "the whole file"
    return f"{where}: {str(entry['msg']).removeprefix('Value error, ')}"
