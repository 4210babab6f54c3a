"""The states of the films: read by `GET /results` and the metrics, retried by an operator, deleted in time."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    ColumnElement,
    Engine,
    Row,
    Table,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from schemas.errors import NotFoundError
from schemas.results import Cursor, ResultList, ResultQuery, ResultSummary
from service.dicomweb.history.studies import forget_studies
from service.dicomweb.history.tables import issues
from service.dicomweb.tables import (
    HAS_BYTES,
    SOURCE,
    SQLITE,
    instances,
    parcels,
    payloads,
    remove_films,
    scrub,
    transaction,
)
from service.dicomweb.verdict import BACKOFF
from service.leases import AT_ONCE, LEASE_S

CLOCKS_APART_S: Final = 60.0
"""By which the clocks of two machines on one spool may differ."""
_HAS_PARCELS: Final = exists().where(parcels.c.sop_instance_uid == instances.c.sop_instance_uid)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many films are in each state, and how long the oldest that is not finished has waited."""

    states: Mapping[str, int]
    oldest_s: float


class Ledger:
    """The states of the films of one database; the films themselves are the spool's business."""

    def __init__(self, engine: Engine, *, retention_s: float, clock: Callable[[], float] = time.time) -> None:
        """`retention_s` is how long a film is remembered after its last change; `clock` is in seconds since 1970."""
        self._engine = engine
        self._retention_s = retention_s
        self._clock = clock

    def retry(self, sop_instance_uid: str) -> None:
        """Try a dead letter again, from the step that failed.

        Raises:
            NotFoundError: there is no dead letter of this UID.
        """
        is_letter = and_(instances.c.sop_instance_uid == sop_instance_uid, instances.c.state == "failed")
        with transaction(self._engine) as connection:
            names = connection.scalars(
                select(payloads.c.name).where(payloads.c.sop_instance_uid == sop_instance_uid)
            ).all()
            state = case(
                (literal(SOURCE in names), "received"),
                (instances.c.withdrawn_for.is_not(None), "withdrawn"),
                (instances.c.kind == "summary", "analysed"),
                (instances.c.record.is_(None), "refused"),
                else_="analysed",
            )
            again = {"state": state, "attempts": 0, "crashes": 0}
            again |= {"next_attempt_at": AT_ONCE, "changed_at": self._clock()}
            if connection.execute(update(instances).where(is_letter).values(again)).rowcount == 0:
                msg = "there is no failed result of this SOPInstanceUID; GET /results?state=failed lists those that are"
                raise NotFoundError(msg)

    def find(self, sop_instance_uid: str) -> tuple[ResultSummary, str | None]:
        """What is known about a film, and the record of its analysis as JSON once there is one.

        Raises:
            NotFoundError: it was never stored, or its retention is over.
        """
        query = select(instances).where(instances.c.sop_instance_uid == sop_instance_uid)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            msg = "no film of this SOPInstanceUID is known; it was never stored, or its retention is over"
            raise NotFoundError(msg)
        return _summary(row), row.record

    def content_of(self, sop_instance_uid: str) -> str | None:
        """SHA-256 of the content of a film; None: it is not known."""
        query = select(instances.c.sha256).where(instances.c.sop_instance_uid == sop_instance_uid)
        with transaction(self._engine) as connection:
            return connection.scalar(query)

    def list(self, asked: ResultQuery) -> ResultList:
        """One page of the films that are asked for, the latest first.

        A page begins after the last film of the one before, not at a number: films that arrive, change or are forgotten
        meanwhile move no other film to another page. Under `received` each film stands on one page; under `changed` one
        that changes meanwhile is the latest, and `since` the time of the first page finds it.
        """
        time_of = instances.c[f"{asked.order}_at"]
        query = select(instances).where(*self._filters(asked)).order_by(time_of.desc(), instances.c.sop_instance_uid)
        with transaction(self._engine) as connection:
            rows = connection.execute(query.limit(asked.limit + 1)).all()
        shown = rows[: asked.limit]
        last = shown[-1] if len(rows) > len(shown) else None
        after = last and Cursor(
            order=asked.order,
            time=last.received_at if asked.order == "received" else last.changed_at,
            sop_instance_uid=last.sop_instance_uid,
        )
        return ResultList(results=tuple(map(_summary, shown)), next=after and after.text)

    def _filters(self, asked: ResultQuery) -> Iterator[ColumnElement[bool]]:
        columns = instances.c
        time_of = columns[f"{asked.order}_at"]
        equal = {columns.state: asked.state, columns.study_instance_uid: asked.study, columns.problem: asked.problem}
        yield from (column == value for column, value in equal.items() if value is not None)
        if asked.decision is not None:  # SQLite keeps JSON as text, and a cast to it would make a number of the text
            as_json = type_coerce if self._engine.dialect.name == SQLITE else cast
            yield as_json(columns.record, JSON)["prediction"]["decision"].as_string() == asked.decision
        if asked.since is not None:
            yield time_of >= asked.since.timestamp()
        if asked.until is not None:
            yield time_of < asked.until.timestamp()
        if asked.after is not None:
            is_later = columns.sop_instance_uid > asked.after.sop_instance_uid
            yield or_(time_of < asked.after.time, and_(time_of == asked.after.time, is_later))

    def depth(self) -> Depth:
        """The figures of the metrics."""
        with transaction(self._engine) as connection:
            by_state = select(instances.c.state, func.count().label("films")).group_by(instances.c.state)
            states = {row.state: row.films for row in connection.execute(by_state)}
            # Films of a backfill wait until there is nothing else to do, and nobody waits for them.
            waiting = (instances.c.state != "failed") & HAS_BYTES & (instances.c.priority != "backfill")
            oldest = connection.scalar(select(func.min(instances.c.received_at)).where(waiting))
        age_s = 0.0 if oldest is None else max(0.0, self._clock() - oldest)
        return Depth(states, age_s)

    def mend_times(self) -> int:
        """Move times from the future to now, where a clock was set back; returns of how many films.

        Otherwise films would wait, and their age would be none, until the clock is where it was.
        """
        return mend_times(self._engine, instances, ("received_at", "changed_at"), self._clock())

    def prune(self) -> Mapping[str, int]:
        """Delete and wipe films whose retention is over; returns how many of each state.

        A film stays that still waits, or that the outbox still knows: its parcels have a retention of their own.
        """
        finished = or_(instances.c.state == "failed", ~HAS_BYTES)
        over = finished & (instances.c.changed_at <= self._clock() - self._retention_s) & ~_HAS_PARCELS
        with transaction(self._engine) as connection:
            counted = connection.execute(
                select(instances.c.state, func.count().label("films")).where(over).group_by(instances.c.state)
            )
            forgotten = {row.state: row.films for row in counted}
            forgotten_films = select(instances.c.sop_instance_uid).where(over)
            connection.execute(delete(issues).where(issues.c.sop_instance_uid.in_(forgotten_films)))
            remove_films(connection, over)
            forget_studies(connection, self._clock())
        scrub(self._engine)
        return forgotten


def mend_times(engine: Engine, table: Table, past: Sequence[str], now: float) -> int:
    """Mend a table with leases; see `Ledger.mend_times`.

    Args:
        engine: of its database.
        table: has the columns of `service.leases`.
        past: columns with times of what has happened.
        now: seconds since 1970.
    """
    latest = now + CLOCKS_APART_S
    times = table.c
    wrong: list[tuple[ColumnElement[bool], Mapping[str, float]]] = [
        *((times[name] > latest, {name: now}) for name in past),
        (times.next_attempt_at > latest + BACKOFF.longest_s, {"next_attempt_at": AT_ONCE}),
        (times.lease_until > latest + LEASE_S, {"lease_until": now + LEASE_S}),
    ]
    with transaction(engine) as connection:
        return max(
            connection.execute(update(table).where(is_wrong).values(mended)).rowcount for is_wrong, mended in wrong
        )


def _summary(row: Row[Any]) -> ResultSummary:
    waits = row.state != "failed" and row.size_bytes > 0
    return ResultSummary(
        sop_instance_uid=row.sop_instance_uid,
        study_instance_uid=row.study_instance_uid,
        state=row.state,
        priority=row.priority,
        received_at=datetime.fromtimestamp(row.received_at, UTC),
        changed_at=datetime.fromtimestamp(row.changed_at, UTC),
        attempts=row.attempts,
        next_attempt_at=datetime.fromtimestamp(max(row.next_attempt_at, row.changed_at), UTC) if waits else None,
        kind=row.kind,
        version=row.version,
        problem=row.problem,
        detail=row.detail,
    )
