"""One report's folder on disk: its record is read back, and every file of it is written whole."""

from pathlib import Path

from schemas.acceptance import RECORD, AcceptanceReport


def read_record(folder: Path) -> AcceptanceReport:
    """The record of the report in this folder.

    Raises:
        OSError: it cannot be read.
        pydantic.ValidationError: it is not a record.
    """
    return AcceptanceReport.model_validate_json((folder / RECORD).read_bytes())
