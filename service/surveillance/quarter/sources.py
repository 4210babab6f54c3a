"""What a quarter is counted from: the rows of the ledger, and the lines of the audit log."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, Row, func, select

from schemas.errors import InvalidParameterError
from schemas.model.manifest import MANIFEST, BundleManifest
from service.audit.files import files_of
from service.audit.record import AuditRecord
from service.dicomweb.tables import instances, transaction
from service.surveillance.tables import readings, suspensions, verdicts

LONGEST_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in UTC, both ends included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if not self.first <= self.last <= self.first + timedelta(days=LONGEST_DAYS):
            msg = f"the period from {self.first} to {self.last} is empty or longer than {LONGEST_DAYS} days"
            raise InvalidParameterError(msg)

    @property
    def start(self) -> float:
        """In seconds since 1970."""
        return datetime.combine(self.first, time(), UTC).timestamp()

    @property
    def end(self) -> float:
        """The first moment after it."""
        return datetime.combine(self.last, time(), UTC).timestamp() + 86400

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.start <= moment.timestamp() < self.end


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """The rows of a period; verdicts until its end, in their order."""

    readings: Sequence[Row[Any]]
    verdicts: Sequence[Row[Any]]
    suspensions: Sequence[Row[Any]]
    dead_letters: int


def ledger_rows(engine: Engine, period: Period) -> LedgerRows:
    """Read the ledger.

    Raises:
        SpoolUnavailableError: the database cannot be read.
    """
    read = readings.c.analysed_at.between(period.start, period.end)
    received = instances.c.received_at.between(period.start, period.end)
    with transaction(engine) as connection:
        return LedgerRows(
            connection.execute(select(readings).where(read).order_by(readings.c.analysed_at)).all(),
            connection.execute(select(verdicts).where(verdicts.c.at < period.end).order_by(verdicts.c.id)).all(),
            connection.execute(select(suspensions).where(suspensions.c.at < period.end)).all(),
            connection.scalar(
                select(func.count()).select_from(instances).where(received, instances.c.state == "failed")
            )
            or 0,
        )


def log_lines(path: Path) -> list[AuditRecord]:
    """Every record of an audit log; a half-written line at its end is passed over."""
    lines = [line for file in files_of(path) for line in file.read_bytes().splitlines(keepends=True)]
    return [AuditRecord.model_validate_json(line, extra="ignore") for line in lines if line.endswith(b"\n")]


def manifest_of(models_dir: Path, bundle: str) -> BundleManifest | None:
    """The manifest of `NAME/VERSION`; None where the bundle is not there any more."""
    path = models_dir / bundle / MANIFEST
    return BundleManifest.model_validate(json.loads(path.read_bytes())) if path.is_file() else None
