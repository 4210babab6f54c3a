"""A trial that ended without a network: recorded, so that the rest of the run goes on."""

from datetime import UTC, datetime

from pydantic import ValidationError

from bundle.files import write_whole
from schemas.errors import CxrError, TrainingDataError
from schemas.record import Record
from trainer.folder import TrialFolder


class FailedTrial(Record):
    """Why a trial failed."""

    code: str
    message: str
    at: datetime


def write_failure(folder: TrialFolder, error: Exception) -> FailedTrial:
    """Record why a trial failed."""
    code = error.code if isinstance(error, CxrError) else type(error).__name__
    failed = FailedTrial(code=code, message=str(error) or repr(error), at=datetime.now(UTC))
    folder.make()
    write_whole(folder.failure, failed.model_dump_json(indent=2).encode())
    return failed


def read_failure(folder: TrialFolder) -> FailedTrial | None:
    """Why a trial failed; None: it did not.

    Raises:
        TrainingDataError: the record is damaged or of another version.
    """
    if not folder.failure.exists():
        return None
    try:
        return FailedTrial.model_validate_json(folder.failure.read_bytes())
    except ValidationError as error:
        msg = f"{folder.failure} is damaged or of another version; remove it to train the trial again"
        raise TrainingDataError(msg) from error
