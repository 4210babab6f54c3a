"""A trial that ended without a network: recorded, so that the rest of the run goes on."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from bundle.files import write_whole
from schemas.errors import CxrError, TrainingDataError
from schemas.record import Record

FAILURE = "failure.json"


class FailedTrial(Record):
    """Why a trial failed."""

    code: str
    message: str
    at: datetime


def write_failure(directory: Path, error: Exception) -> FailedTrial:
    """Record what a trial died of."""
    code = error.code if isinstance(error, CxrError) else type(error).__name__
    failed = FailedTrial(code=code, message=str(error) or repr(error), at=datetime.now(UTC))
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / FAILURE, failed.model_dump_json(indent=2).encode())
    return failed


def read_failure(directory: Path) -> FailedTrial | None:
    """Why the trial of a folder failed; None: it did not.

    Raises:
        TrainingDataError: the record is damaged or of another version.
    """
    path = directory / FAILURE
    if not path.exists():
        return None
    try:
        return FailedTrial.model_validate_json(path.read_bytes())
    except ValidationError as error:
        msg = f"{path} is damaged or of another version; remove it to train the trial again"
        raise TrainingDataError(msg) from error
