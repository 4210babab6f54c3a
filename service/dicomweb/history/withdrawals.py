"""An operator takes results back: nothing more is sent about a film, and the archive is asked to reject what it has."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, update

from schemas.errors import NotFoundError
from schemas.results import WithdrawalReason
from service.dicomweb.history import issues, rows
from service.dicomweb.history.issues import NotesWriter, Withdrawal
from service.dicomweb.history.studies import touch
from service.dicomweb.tables import instances, transaction


class Withdrawals:
    """Withdraws what is in one database; what it writes is delivered as results are."""

    def __init__(
        self,
        engine: Engine,
        *,
        write_notes: NotesWriter = lambda _: {},
        study_quiet_s: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """The arguments are those of the spool."""
        self._engine = engine
        self._write_notes = write_notes
        self._study_quiet_s = study_quiet_s
        self._clock = clock

    def withdraw(self, sop_instance_uid: str, reason: WithdrawalReason) -> None:
        """Take back all results of a film, whatever its state; a second time changes nothing.

        Whoever works on the film now loses it. What may be on its way to the archive comes to its end before the
        archive is asked to reject it.

        Raises:
            NotFoundError: it was never stored, or its retention is over.
            SpoolUnavailableError: the database cannot be written.
        """
        with transaction(self._engine) as connection:
            film = rows.locked(connection, sop_instance_uid)
            if film is None:
                msg = "no film of this SOPInstanceUID is known; it was never stored, or its retention is over"
                raise NotFoundError(msg)
            if film.withdrawn_for is not None:
                return
            now = self._clock()
            issues.forget_unsent(connection, sop_instance_uid)
            sent = issues.issues_of(connection, sop_instance_uid)
            notes = self._write_notes(Withdrawal(sent, reason, None, film.number or 1, now)) if sent else {}
            changes: dict[str, Any] = {"state": "withdrawn", "withdrawn_for": reason, "changed_at": now}
            changes["next_attempt_at"] = issues.quiet_until(film, now)
            changes["size_bytes"] = rows.put(connection, sop_instance_uid, notes)
            is_film = instances.c.sop_instance_uid == sop_instance_uid
            connection.execute(update(instances).where(is_film).values(rows.UNTOUCHED | changes))
            if self._study_quiet_s:
                touch(connection, film.study_instance_uid, now + self._study_quiet_s, now)
