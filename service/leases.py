"""Rows of a table that one worker at a time may work on, until its lease ends: the part that every queue shares."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Column, ColumnElement, Connection, Float, Integer, Row, String, Table, and_, case, select, update

from service.tracing.span import TRACESTATE_LENGTH, Carrier, carrier

LEASE_S: Final = 120.0
"""A claim that is older is free again: its worker has died. Work on one row must end before."""
AT_ONCE: Final = 0.0
"""The time of what waits for nothing: it has come, however far the clock is set back."""
CARRIED: Final = {"traceparent": 55, "tracestate": TRACESTATE_LENGTH}
"""Columns of the trace that a row belongs to, and their lengths."""


class Leased(Protocol):
    """What is claimed of a queue."""

    @property
    def attempts(self) -> int:
        """Of this step, this one included."""
        ...

    @property
    def crashes(self) -> int:
        """How many of them ended with the process that made them."""
        ...

    @property
    def token(self) -> str:
        """Of the claim."""
        ...


class Queue(Protocol):
    """Where work waits: the spool, or the outbox. Each method returns after its transaction is on disk.

    Raises, each of them:
        SpoolUnavailableError: the database cannot be reached.
    """

    def claim(self, state: Any, *, suspects: bool = True) -> Any:
        """Take the next of this state, or of this destination; None where there is none."""
        ...

    def refused(self, claim: Any, problem: str, detail: str) -> bool:
        """It can never be worked on."""
        ...

    def postpone(self, claim: Any, problem: str, detail: str, *, delay_s: float | None, counts: bool = True) -> bool:
        """Try again after `delay_s`; None: never by itself, it is a dead letter."""
        ...

    def release(self, claim: Any) -> bool:
        """Give back what was cut off."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """A row that this worker alone may work on until the lease ends."""

    key: Any
    """Of the row."""
    attempts: int
    """This one included."""
    crashes: int
    """How many of them ended with the process that made them."""
    token: str


def lease_columns() -> tuple[Column[Any], ...]:
    """The columns by which `Leases` knows what is free; a table has them under these names."""
    return (
        Column("next_attempt_at", Float(53), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("crashes", Integer, nullable=False, comment="processes that ended while they worked on the row"),
        Column("lease_until", Float(53), nullable=False, comment="0: nobody works on it"),
        Column("token", String(32)),
        *(Column(name, String(length), comment="W3C Trace Context") for name, length in CARRIED.items()),
    )


def carried_now() -> dict[str, str | None]:
    """The values of the columns of the trace in which this code runs; nothing where there is none."""
    present = carrier()
    return {name: present.get(name) for name in CARRIED} if present else {}


def carrier_of(row: Row[Any]) -> Carrier:
    """The trace that a row carries: of the request or the work that wrote it."""
    if row.traceparent is None:
        return {}
    carried = {"traceparent": row.traceparent}
    return carried if row.tracestate is None else carried | {"tracestate": row.tracestate}


def waiting() -> dict[str, object]:
    """The values of these columns in a row that nobody has worked on."""
    return {"next_attempt_at": AT_ONCE, "attempts": 0, "crashes": 0, "lease_until": 0.0, **carried_now()}


class Leases:
    """The leases of one table; every method works within the caller's transaction."""

    def __init__(self, table: Table, key: Column[Any], clock: Callable[[], float]) -> None:
        """`key` is the table's primary key; `clock` is in seconds since 1970."""
        self._table = table
        self._key = key
        self._clock = clock
        columns = table.c
        self._crashes = columns.crashes + case((columns.lease_until > 0, 1), else_=0)
        """A lease that has ended was of a process that has. Rows with few go first, so that ends by chance are shared.
        """

    def take(
        self,
        connection: Connection,
        which: ColumnElement[bool],
        *,
        order: tuple[Sequence[ColumnElement[Any]], Sequence[ColumnElement[Any]]],
        suspects: bool,
    ) -> tuple[Row[Any], Lease] | None:
        """Take the next row whose time has come; None where there is none.

        Args:
            connection: its transaction is held until the lease is written.
            which: of the rows may be taken.
            order: by what they are taken before and after the number of processes that ended with them.
            suspects: whether rows may be taken with which in hand a process ended.
        """
        now = self._clock()
        columns = self._table.c
        due = and_(which, columns.next_attempt_at <= now, columns.lease_until <= now)
        if not suspects:
            due = and_(due, self._crashes == 0)
        by = (*order[0], self._crashes, *order[1])
        # SQLite has no row locks and needs none: its transactions here are exclusive from their start.
        query = select(self._table).where(due).order_by(*by).limit(1).with_for_update(skip_locked=True)
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        key = row._mapping[self._key.key]  # noqa: SLF001 it is the documented way to a column by its name
        lease = Lease(key, row.attempts + 1, row.crashes + (row.lease_until > 0), uuid.uuid4().hex)
        values = {"lease_until": now + LEASE_S, "token": lease.token}
        values |= {"attempts": lease.attempts, "crashes": lease.crashes}
        connection.execute(update(self._table).where(self._key == key).values(values))
        return row, lease

    def change(self, connection: Connection, key: object, token: str, **changes: object) -> bool:
        """Change a row that is leased; False where the lease was lost."""
        ours = and_(self._key == key, self._table.c.token == token)
        return connection.execute(update(self._table).where(ours).values(changes)).rowcount == 1


def free_crashed(connection: Connection, table: Table) -> None:
    """Free what a process of this database had in hand when it died; there must be no other process on it."""
    crashed = {"lease_until": 0.0, "crashes": table.c.crashes + 1}
    connection.execute(update(table).where(table.c.lease_until > 0).values(crashed))
