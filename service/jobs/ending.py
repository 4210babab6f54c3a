"""What has come of the films of jobs, the end of jobs, and when they are forgotten."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Connection,
    Engine,
    Row,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    select,
    type_coerce,
    update,
)

from service.dicomweb.ledger import mend_times
from service.dicomweb.tables import SQLITE, instances, transaction
from service.jobs.register import Announce, job_of
from service.jobs.tables import films, jobs

_AT_ONCE: Final = 500
_UNFINISHED: Final = ("waiting", "stored")


class Ending:
    """The ends of films and jobs of one database."""

    def __init__(
        self, engine: Engine, *, announce: Announce, retention_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        """`retention_s` is how long a job is kept after its end; `clock` is in seconds since 1970."""
        self._engine = engine
        self._announce = announce
        self._retention_s = retention_s
        self._clock = clock

    def settle(self) -> int:
        """Note the outcome of films that the spool has read, and end jobs that are through; returns how many films."""
        settled = 0
        while page := self._settle_page():
            settled += page
        with transaction(self._engine) as connection:
            # A film of a cancelled job may still be read: the job's end is not told twice.
            open_films = exists().where(films.c.job == jobs.c.number, films.c.state.in_(_UNFINISHED))
            done = select(jobs.c.number).where(jobs.c.state == "running", ~open_films)
            for number in connection.scalars(done).all():
                self._complete(connection, number)
        return settled

    def prune(self) -> int:
        """Delete jobs whose retention is over; returns how many."""
        mend_times(self._engine, films, (), self._clock())
        over = and_(jobs.c.state != "running", jobs.c.finished_at <= self._clock() - self._retention_s)
        with transaction(self._engine) as connection:
            numbers = connection.scalars(select(jobs.c.number).where(over)).all()
            connection.execute(delete(films).where(films.c.job.in_(numbers)))
            return connection.execute(delete(jobs).where(jobs.c.number.in_(numbers))).rowcount

    def states(self, ids: Collection[str]) -> Mapping[str, str]:
        """The states of those of these jobs that are known."""
        with transaction(self._engine) as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(list(ids))))
            return {row.id: row.state for row in rows}

    def _settle_page(self) -> int:
        as_json = type_coerce if self._engine.dialect.name == SQLITE else cast
        decision = as_json(instances.c.record, JSON)["prediction"]["decision"].as_string().label("decision")
        columns = (films.c.number, instances.c.state, instances.c.problem, instances.c.detail, decision)
        has_record = instances.c.record.is_not(None).label("has_record")
        joined = films.outerjoin(instances, films.c.sop_instance_uid == instances.c.sop_instance_uid)
        read = (instances.c.state != "received") | instances.c.state.is_(None)
        query = select(*columns, has_record).select_from(joined).where(films.c.state == "stored", read).limit(_AT_ONCE)
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
            if rows:
                changed = (
                    update(films)
                    .where(films.c.number == bindparam("which"))
                    .values(
                        state=bindparam("new_state"),
                        decision=bindparam("new_decision"),
                        problem=bindparam("new_problem"),
                        detail=bindparam("new_detail"),
                    )
                )
                connection.execute(changed, [_outcome(row) for row in rows])
        return len(rows)

    def _complete(self, connection: Connection, number: int) -> None:
        ended = {"state": "completed", "finished_at": self._clock()}
        running = and_(jobs.c.number == number, jobs.c.state == "running")
        if connection.execute(update(jobs).where(running).values(ended)).rowcount:  # not where another worker was first
            row = connection.execute(select(jobs).where(jobs.c.number == number)).one()
            self._announce(connection, job_of(connection, row))


def _outcome(row: Row[Any]) -> dict[str, Any]:
    """A film that is not known any more had ended, for it was forgotten; a delivery that failed is not the film's."""
    state = row.state if row.state == "refused" or (row.state == "failed" and not row.has_record) else "analysed"
    problem = (row.problem, row.detail) if state != "analysed" else (None, None)
    return {
        "which": row.number,
        "new_state": state,
        "new_decision": row.decision,
        "new_problem": problem[0],
        "new_detail": problem[1],
    }
