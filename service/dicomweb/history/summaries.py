"""The summaries of studies: written once a study of several films is quiet, delivered as the results of a film are.

A summary stands in the table of films under a key of its own, so that its delivery has the same promises. It is
written in the transaction that notes it: a process that is killed has written it wholly, or not at all.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from pydicom.dataset import Dataset
from sqlalchemy import Connection, Engine, Row, insert, select, update

from schemas.analysis import AnalysisRecord
from service.dicomweb.history import issues, rows
from service.dicomweb.history.issues import Issue
from service.dicomweb.history.notes import bytes_of
from service.dicomweb.history.tables import issues as issues_table
from service.dicomweb.history.tables import studies
from service.dicomweb.tables import HAS_BYTES, instances, transaction
from service.leases import AT_ONCE
from service.results.history.header import read_header, reference_to
from service.results.history.study import Edition, FilmLine, study_summary, summary_key

FAILED_S: Final = 300.0
"""For which a study waits whose summary could not be written."""
_WHY: Final = {
    "withdrawn": "its results were withdrawn",
    "failed": "it could not be analysed",
    "same_exposure": "left out, since the film FOR PRESENTATION of the same exposure is read",
}

log = structlog.get_logger("service.dicomweb.summaries")


class Summaries:
    """Writes the summaries of one database that are due."""

    def __init__(self, engine: Engine, *, quiet_s: float, clock: Callable[[], float] = time.time) -> None:
        """`quiet_s` is how long a study must be without a new film; `clock` is in seconds since 1970."""
        self._engine = engine
        self._quiet_s = quiet_s
        self._clock = clock

    def write_due(self) -> int:
        """Write what is due; returns how many summaries.

        Raises:
            SpoolUnavailableError: the database cannot be read or written.
        """
        written = 0
        while (outcome := self._write_next()) is not None:
            written += outcome
        return written

    def _write_next(self) -> bool | None:
        """Whether the next study that is due got a summary; None: none is due."""
        now = self._clock()
        due = (studies.c.due_at > 0) & (studies.c.due_at <= now)
        with transaction(self._engine) as connection:
            query = select(studies).where(due).order_by(studies.c.due_at).limit(1).with_for_update(skip_locked=True)
            study = connection.execute(query).one_or_none()
            if study is None:
                return None
            try:
                with connection.begin_nested():
                    is_quiet = not _waits(connection, study.study_instance_uid)
                    is_written = is_quiet and self._write(connection, study.study_instance_uid, now)
                due_at = 0.0 if is_quiet else now + self._quiet_s
            except (ValueError, TypeError, AttributeError, KeyError) as error:  # of a library: the others go on
                log.error("summary_failed", error=type(error).__name__)  # noqa: TRY400 a traceback may quote the study
                is_written = False
                due_at = now + FAILED_S
            one = studies.c.study_instance_uid == study.study_instance_uid
            connection.execute(update(studies).where(one).values(due_at=due_at))
        return is_written

    def _write(self, connection: Connection, study: str, now: float) -> bool:
        key = summary_key(study)
        previous = rows.locked(connection, key)
        films = _films(connection, study)
        header = _header(connection, study)
        if header is None or not any(film.record for film in films) or (len(films) == 1 and previous is None):
            return False
        digest = _digest(films)
        if previous is not None and previous.sha256 == digest:
            return False
        version = 1 if previous is None else previous.version + 1
        issues.forget_unsent(connection, key)
        replaced = tuple(each for issue in issues.issues_of(connection, key)[-1:] for each in issue.objects)
        edition = Edition(digest, version, replaced, datetime.fromtimestamp(now, UTC))
        summary = study_summary(films, read_header(header), edition)
        self._put(connection, summary, previous, (study, key, digest, version), now)
        issues.record_issue(
            connection, (key, study, digest, version), Issue("summary", header, (reference_to(summary),)), now
        )
        return True

    @staticmethod
    def _put(
        connection: Connection,
        summary: Dataset,
        previous: Row[Any] | None,
        names: tuple[str, str, str, int],
        now: float,
    ) -> None:
        study, key, digest, version = names
        content = bytes_of(summary)
        row = {
            "sop_instance_uid": key,
            "study_instance_uid": study,
            "sha256": digest,
            "version": version,
            "model_sha256": "",
            "priority": "routine",
            "kind": "summary",
            "state": "analysed",
            "changed_at": now,
            "received_at": now,
            "next_attempt_at": AT_ONCE if previous is None else issues.quiet_until(previous, now),
            "size_bytes": len(content),
            "withdrawn_for": None,
            **rows.UNTOUCHED,
        }
        if previous is None:
            connection.execute(insert(instances).values(row))
        else:
            connection.execute(update(instances).where(instances.c.sop_instance_uid == key).values(row))
        rows.put(connection, key, {str(summary.SOPInstanceUID): content})


def _waits(connection: Connection, study: str) -> bool:
    """Whether a film of the study is still to be analysed."""
    received = (instances.c.state == "received") & HAS_BYTES & (instances.c.study_instance_uid == study)
    return connection.scalar(select(instances.c.sop_instance_uid).where(received).limit(1)) is not None


def _films(connection: Connection, study: str) -> list[FilmLine]:
    is_film = (instances.c.study_instance_uid == study) & (instances.c.kind == "film")
    return [_line(row) for row in connection.execute(select(instances).where(is_film).order_by(instances.c.number))]


def _line(row: Row[Any]) -> FilmLine:
    if row.record is not None and row.withdrawn_for is None:
        record = AnalysisRecord.model_validate_json(row.record)
        return FilmLine(row.number, row.sop_instance_uid, record)
    state = "withdrawn" if row.withdrawn_for is not None else row.state
    why = _WHY.get(row.problem) or _WHY.get(state) or f"it could not be read ({row.problem})"
    return FilmLine(row.number, row.sop_instance_uid, None, why)


def _header(connection: Connection, study: str) -> bytes | None:
    """The header of the results that were issued last in the study; None: none were."""
    query = select(issues_table.c.header).where(issues_table.c.study_instance_uid == study)
    return connection.scalar(query.order_by(issues_table.c.issued_at.desc()).limit(1))


def _digest(films: Sequence[FilmLine]) -> str:
    parts = [
        part
        for film in films
        for part in (film.sop_instance_uid, "" if film.record is None else film.record.content_sha256, film.words)
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
