"""The jobs of one database and the state of their films; it knows neither the PACS nor HTTP."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, and_, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from schemas.bodies.jobs import Job, JobFilm, JobFilmList, JobFilmState, JobList, JobProgress, cursor_text
from schemas.errors import IdempotencyKeyReusedError, NotFoundError
from service.dicomweb.tables import SQLITE, transaction
from service.jobs.asked import Asked, Created
from service.jobs.tables import films, jobs
from service.leases import waiting

Announce = Callable[[Connection, Job], None]
"""Writes what others are to learn of a job that has ended, in the same transaction."""
_AT_ONCE: Final = 1000
"""Rows of one statement: a list of any length is written without a second copy of it in memory."""


def search_row(path: str, parameters: Mapping[str, str], offset: int = 0, before: str = "") -> dict[str, Any]:
    """A row of `films` that stands for a search of the PACS; `before` is the fingerprint of the page before."""
    place = json.dumps({"path": path, "parameters": dict(parameters), "offset": offset, "before": before})
    return {"kind": "search", "place": place}


class Register:
    """Invariant: a job that has ended has no film that waits, and its state never changes again."""

    def __init__(self, engine: Engine, *, announce: Announce, clock: Callable[[], float] = time.time) -> None:
        """`announce` tells of jobs that are cancelled; `clock` is in seconds since 1970."""
        self._engine = engine
        self._announce = announce
        self._clock = clock

    def find_earlier(self, asked: Asked) -> Job | None:
        """The job of an earlier request with the same Idempotency-Key; None: there is none.

        Raises:
            IdempotencyKeyReusedError: the key belongs to a job that asked something else.
        """
        with transaction(self._engine) as connection:
            return self._earlier(connection, asked)

    def create(self, asked: Asked, rows: Iterable[Mapping[str, Any]], job_id: str | None = None) -> Created:
        """Write a job with its films and searches: whole or not at all.

        Args:
            asked: the job.
            rows: values of `films`; of two with the same SOPInstanceUID the second is left out.
            job_id: its id; None: a new one.

        Raises:
            IdempotencyKeyReusedError: see `find_earlier`.
            SpoolUnavailableError: the database cannot be written.
        """
        values: dict[str, Any] = {
            "id": job_id or uuid.uuid4().hex,
            "caller": asked.caller,
            "idempotency_key": asked.idempotency_key,
            "fingerprint": asked.fingerprint,
            "source": asked.source,
            "state": "running",
            "verify": int(asked.verify),
            "notify": asked.notify,
            "created_at": self._clock(),
        }
        with transaction(self._engine) as connection:
            if (earlier := self._earlier(connection, asked)) is not None:
                return Created(earlier, is_known=True)
            # Of two requests at the same time one waits here for the other's commit, and then finds its job.
            self._insert(connection, jobs, [values])
            number = connection.scalar(select(jobs.c.number).where(jobs.c.id == values["id"]))
            if number is None:
                earlier = self._earlier(connection, asked)
                assert earlier is not None  # noqa: S101 the row that was in the way
                return Created(earlier, is_known=True)
            self.add_films(connection, number, rows)
            return Created(self._job(connection, self._row(connection, values["id"])), is_known=False)

    def add_films(self, connection: Connection, job: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write films of a job in the caller's transaction; those that it has already are left out."""
        empty = {"study_instance_uid": None, "series_instance_uid": None, "sop_instance_uid": None, "place": None}
        batch: list[Mapping[str, Any]] = []
        for row in rows:
            batch.append({**empty, "state": "waiting", **row, **waiting(), "job": job})
            if len(batch) == _AT_ONCE:
                self._insert(connection, films, batch)
                batch = []
        if batch:
            self._insert(connection, films, batch)

    def find(self, job_id: str) -> Job:
        """A job.

        Raises:
            NotFoundError: there is none of this id, or its retention is over.
        """
        with transaction(self._engine) as connection:
            return self._job(connection, self._row(connection, job_id))

    def list(self, after: int | None, limit: int) -> JobList:
        """One page of the jobs, the latest first; it begins after the job of this number."""
        query = select(jobs).order_by(jobs.c.number.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(jobs.c.number < after)
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
            shown = tuple(self._job(connection, row) for row in rows[:limit])
        return JobList(jobs=shown, next=cursor_text(rows[limit - 1].number) if len(rows) > limit else None)

    def films(self, job_id: str, after: int | None, limit: int, state: JobFilmState | None) -> JobFilmList:
        """One page of a job's films, in the order of its list; it begins after the film of this number.

        Raises:
            NotFoundError: see `find`.
        """
        with transaction(self._engine) as connection:
            job = self._row(connection, job_id)
            query = select(films).where(films.c.job == job.number, films.c.number > (after or 0))
            query = query.where((films.c.kind != "search") | (films.c.state == "failed"))
            if state is not None:
                query = query.where(films.c.state == state)
            rows = connection.execute(query.order_by(films.c.number).limit(limit + 1)).all()
        shown = rows[:limit]
        return JobFilmList(
            films=tuple(map(_film, shown)), next=cursor_text(shown[-1].number) if len(rows) > limit else None
        )

    def cancel(self, job_id: str) -> Job:
        """End a job: films that wait are not fetched; those in the spool are read. One that has ended stays as it is.

        Its end is announced with it: once, however many cancel it at once, also where the process dies.

        Raises:
            NotFoundError: see `find`.
        """
        with transaction(self._engine) as connection:
            job = self._row(connection, job_id)
            running = and_(jobs.c.number == job.number, jobs.c.state == "running")
            ended = {"state": "cancelled", "finished_at": self._clock()}
            if connection.execute(update(jobs).where(running).values(ended)).rowcount:
                waits = and_(films.c.job == job.number, films.c.state == "waiting")
                # The token goes too: what a worker has in hand is no longer its own.
                connection.execute(update(films).where(waits).values(state="cancelled", lease_until=0.0, token=None))
                ended_job = self._job(connection, self._row(connection, job_id))
                self._announce(connection, ended_job)
                return ended_job
            return self._job(connection, self._row(connection, job_id))

    def _earlier(self, connection: Connection, asked: Asked) -> Job | None:
        if asked.idempotency_key is None:
            return None
        same = and_(jobs.c.caller == asked.caller, jobs.c.idempotency_key == asked.idempotency_key)
        row = connection.execute(select(jobs).where(same)).one_or_none()
        if row is None:
            return None
        if row.fingerprint != asked.fingerprint:
            msg = "the Idempotency-Key belongs to a job that asked something else; send another key"
            raise IdempotencyKeyReusedError(msg)
        return self._job(connection, row)

    def _insert(self, connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        dialect: Any = sqlite if self._engine.dialect.name == SQLITE else postgresql
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))

    @staticmethod
    def _row(connection: Connection, job_id: str) -> Row[Any]:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            msg = "no job of this id is known; it was never created, or its retention is over (CXR_JOBS_RETENTION_H)"
            raise NotFoundError(msg)
        return row

    @staticmethod
    def _job(connection: Connection, row: Row[Any]) -> Job:
        return job_of(connection, row)


def job_of(connection: Connection, row: Row[Any]) -> Job:
    """A job with its progress as it is in this transaction."""
    is_search = films.c.kind == "search"
    kinds = case((is_search, "search"), else_="film")
    query = select(kinds, films.c.state, func.count(), func.sum(films.c.reused)).where(films.c.job == row.number)
    counted = connection.execute(query.group_by(kinds, films.c.state)).all()
    states = {state: count for kind, state, count, _ in counted if kind == "film"}
    searches = {state: count for kind, state, count, _ in counted if kind == "search"}
    progress = JobProgress(
        films=sum(states.values()),
        searches=searches.get("waiting", 0),
        reused=sum(reused or 0 for *_, reused in counted),
        failed=states.pop("failed", 0) + searches.get("failed", 0),
        **{state: states.get(state, 0) for state in ("waiting", "stored", "analysed", "refused", "cancelled")},
    )
    return Job(
        id=row.id,
        state=row.state,
        source=row.source,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        finished_at=None if row.finished_at is None else datetime.fromtimestamp(row.finished_at, UTC),
        notify=row.notify,
        progress=progress,
    )


def _film(row: Row[Any]) -> JobFilm:
    return JobFilm(
        number=row.number,
        state=row.state,
        study_instance_uid=row.study_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        reused=bool(row.reused),
        decision=row.decision,
        problem=row.problem,
        detail=row.detail,
    )
