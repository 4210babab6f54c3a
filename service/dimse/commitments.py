"""What an archive was asked to commit to, and what it has: one table beside those of the spool; a kill forgets nothing.

It knows UIDs and times; it knows neither DICOM's network nor HTTP.
"""

import time
from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import Boolean, Column, Engine, Float, Table, delete, insert, select, update

from service.dicomweb.tables import UID, metadata, transaction

KEPT_S: Final = 7 * 24 * 3600
"""Longer than a delivery is tried."""

table: Final = Table(
    "commitments",
    metadata,
    Column("transaction_uid", UID, primary_key=True),
    Column("sop_instance_uid", UID, primary_key=True, comment="of a result, not of a film"),
    Column("asked_at", Float(53), nullable=False),
    Column("committed", Boolean, nullable=False),
)


class Commitments:
    """The transactions of storage commitment with the archive.

    Invariant: only what was asked for can be committed to: nobody else knows the UID of a transaction.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        """`clock` is in seconds since 1970."""
        self._engine = engine
        self._clock = clock

    def ask(self, transaction_uid: str, sop_instance_uids: Collection[str]) -> None:
        """The archive is about to be asked; transactions of long ago are forgotten.

        Raises:
            SpoolUnavailableError: the database cannot be written.
        """
        now = self._clock()
        same = {"transaction_uid": transaction_uid, "asked_at": now, "committed": False}
        with transaction(self._engine) as connection:
            connection.execute(delete(table).where(table.c.asked_at < now - KEPT_S))
            connection.execute(insert(table), [{**same, "sop_instance_uid": uid} for uid in sop_instance_uids])

    def note(self, transaction_uid: str, sop_instance_uids: Collection[str]) -> int:
        """The archive has committed to these; returns how many of them were asked for.

        Raises:
            SpoolUnavailableError: the database cannot be written.
        """
        asked = (table.c.transaction_uid == transaction_uid) & table.c.sop_instance_uid.in_(sop_instance_uids)
        with transaction(self._engine) as connection:
            return connection.execute(update(table).where(asked).values(committed=True)).rowcount

    def cover(self, sop_instance_uids: Collection[str]) -> bool:
        """Whether the archive has committed to all of these.

        Raises:
            SpoolUnavailableError: the database cannot be read.
        """
        committed = table.c.sop_instance_uid.in_(sop_instance_uids) & table.c.committed
        with transaction(self._engine) as connection:
            return set(connection.scalars(select(table.c.sop_instance_uid).where(committed))) >= set(sop_instance_uids)
