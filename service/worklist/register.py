"""What this performer has claimed, or is about to claim: one row for each workitem, on disk before anybody is asked.

The Transaction UID of a claim is the only key to its workitem: a process that forgets it can neither complete nor
cancel the work, and nobody else can. Source: DICOM PS3.4 CC.1.1, CC.2.1.2 note 1.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from pydicom.uid import generate_uid
from sqlalchemy import Column, Engine, Float, Integer, MetaData, String, Table, Text, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.dicomweb.tables import SQLITE, UID, transaction

Stage = Literal["claiming", "claimed", "waiting", "ending"]
"""claiming: the origin server may know of it or not; claimed: its films are to be handed over; waiting: for their
results; ending: what is reported is decided."""

metadata = MetaData()

table: Final = Table(
    "workitems",
    metadata,
    Column("workitem_uid", UID, primary_key=True),
    Column("transaction_uid", UID, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("performer", String(32), nullable=False, comment="the process that works on it"),
    Column("lease_until", Float(53), nullable=False, comment="until then no other process takes it over"),
    Column("next_attempt_at", Float(53), nullable=False),
    Column("attempts", Integer, nullable=False, comment="failed ones, of this stage"),
    Column("cancel_asked", Integer, nullable=False, comment="1: somebody has asked for it"),
    Column("state", Text, comment="of the work, as JSON: service.worklist.work.Work"),
)


class Claim(NamedTuple):
    """One workitem of this process."""

    workitem_uid: str
    transaction_uid: str
    stage: Stage
    attempts: int
    cancel_asked: bool
    state: str | None


class Register:
    """The claims of one database.

    Invariant: a workitem has one row and one Transaction UID, whichever processes have worked on it.
    """

    def __init__(self, engine: Engine, lease_s: float, clock: Callable[[], float] = time.time) -> None:
        """`clock` is in seconds since 1970. Of SQLite one process has the database: all claims in it are its own."""
        self._engine = engine
        self._lease_s = lease_s
        self._clock = clock
        self._performer = uuid.uuid4().hex
        if engine.dialect.name == SQLITE:
            with transaction(engine) as connection:
                connection.execute(update(table).values(lease_until=0.0))

    def begin(self, workitem_uid: str) -> Claim | None:
        """Write down that this process will claim a workitem; None where it is written down already.

        Raises:
            SpoolUnavailableError: the database cannot be written.
        """
        insert = sqlite.insert if self._engine.dialect.name == SQLITE else postgresql.insert
        transaction_uid = str(generate_uid(prefix=None))
        row = {
            "workitem_uid": workitem_uid,
            "transaction_uid": transaction_uid,
            "stage": "claiming",
            "performer": self._performer,
            "lease_until": self._clock() + self._lease_s,
            "next_attempt_at": 0.0,
            "attempts": 0,
            "cancel_asked": 0,
        }
        with transaction(self._engine) as connection:
            # Not its count of rows: that is unknown for such a statement in PostgreSQL.
            inserted = insert(table).values(row).on_conflict_do_nothing().returning(table.c.workitem_uid)
            if connection.execute(inserted).one_or_none() is None:
                return None
        return Claim(workitem_uid, transaction_uid, "claiming", 0, cancel_asked=False, state=None)

    def renew(self) -> None:
        """Renew the leases of this process.

        Raises:
            SpoolUnavailableError: the database cannot be written.
        """
        mine = table.c.performer == self._performer
        with transaction(self._engine) as connection:
            connection.execute(update(table).where(mine).values(lease_until=self._clock() + self._lease_s))

    def take_over(self) -> int:
        """Take over the claims whose process is silent; returns how many these are.

        Raises:
            SpoolUnavailableError: the database cannot be written.
        """
        now = self._clock()
        free = (table.c.performer != self._performer) & (table.c.lease_until <= now)
        renewed = {"performer": self._performer, "lease_until": now + self._lease_s}
        with transaction(self._engine) as connection:
            return connection.execute(update(table).where(free).values(renewed)).rowcount

    def due(self) -> tuple[Claim, ...]:
        """The claims of this process for which there is something to do.

        Raises:
            SpoolUnavailableError: the database cannot be read.
        """
        is_due = (table.c.performer == self._performer) & (table.c.next_attempt_at <= self._clock())
        query = select(table).where(is_due).order_by(table.c.next_attempt_at, table.c.workitem_uid)
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(
            Claim(row.workitem_uid, row.transaction_uid, row.stage, row.attempts, bool(row.cancel_asked), row.state)
            for row in rows
        )

    def count(self) -> int:
        """The claims of this process.

        Raises:
            SpoolUnavailableError: the database cannot be read.
        """
        query = select(func.count()).select_from(table).where(table.c.performer == self._performer)
        with transaction(self._engine) as connection:
            return int(connection.scalar(query) or 0)

    def move(self, claim: Claim, stage: Stage, state: str | None) -> bool:
        """The work is at this stage now, and what follows is due; False where another process has taken it over."""
        changes = {"stage": stage, "state": state, "attempts": 0, "next_attempt_at": 0.0}
        return self._change(claim, changes)

    def postpone(self, claim: Claim, delay_s: float, *, failed: bool = False) -> bool:
        """Look at it again after this time; False where another process has taken it over."""
        changes = {"next_attempt_at": self._clock() + delay_s, "attempts": claim.attempts + failed}
        return self._change(claim, changes)

    def forget(self, claim: Claim) -> None:
        """The work is done, or somebody else's.

        Raises:
            SpoolUnavailableError: the database cannot be written.
        """
        with transaction(self._engine) as connection:
            connection.execute(delete(table).where(self._is_mine(claim)))

    def ask_to_cancel(self, workitem_uid: str) -> bool:
        """Somebody asks for it; returns whether it is a workitem of this database.

        Raises:
            SpoolUnavailableError: the database cannot be written.
        """
        asked: Mapping[str, Any] = {"cancel_asked": 1, "next_attempt_at": 0.0}
        with transaction(self._engine) as connection:
            is_it = table.c.workitem_uid == workitem_uid
            return connection.execute(update(table).where(is_it).values(asked)).rowcount > 0

    def _change(self, claim: Claim, changes: Mapping[str, Any]) -> bool:
        with transaction(self._engine) as connection:
            return connection.execute(update(table).where(self._is_mine(claim)).values(changes)).rowcount > 0

    def _is_mine(self, claim: Claim) -> Any:
        return (table.c.workitem_uid == claim.workitem_uid) & (table.c.performer == self._performer)
