"""The durable outbox: parcels for the destinations, each until its destination has it.

It knows destinations by name, parcels as bytes. A method returns after its transaction is on disk.
"""

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, exists, insert, or_, select, update

from service.destinations.destination import Parcel
from service.dicomweb.tables import parcel_contents, parcels, transaction
from service.leases import AT_ONCE, Leases, carrier_of, waiting
from service.tracing.span import Carrier


@dataclass(frozen=True, slots=True)
class Packed:
    """What one destination is to get, before it has a key."""

    destination: str
    contents: Mapping[str, bytes]
    sop_instance_uid: str | None = None
    """None: it is about an event of the service."""
    study_instance_uid: str | None = None
    problem: tuple[str, str] | None = None
    """Why it could not be packed, as code and detail: it is a dead letter from the start, without contents."""


@dataclass(frozen=True, slots=True)
class ParcelClaim:
    """A parcel that this worker alone may deliver until the lease ends."""

    id: int
    attempts: int
    """This one included."""
    crashes: int
    """How many of them ended with the process that made them."""
    token: str
    destination: str
    sop_instance_uid: str | None
    parcel: Parcel
    carrier: Carrier
    """The trace of the analysis, or of whoever suspended the service."""


class Outbox:
    """The parcels of one database.

    Invariant: a parcel that waits has its contents; one that is delivered has none. Of one film, a destination gets
    parcels one after the other, in the order in which they were written.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        """`clock` is in seconds since 1970."""
        self._engine = engine
        self._clock = clock
        self._leases = Leases(parcels, parcels.c.id, clock)

    def put(self, connection: Connection, packed: Packed) -> None:
        """Write a parcel in the caller's transaction: with what it reports, or not at all."""
        now = self._clock()
        row = {
            "key": base64.b32encode(secrets.token_bytes(13)).decode("ascii")[:20],
            "destination": packed.destination,
            "sop_instance_uid": packed.sop_instance_uid,
            "study_instance_uid": packed.study_instance_uid,
            "state": "waiting" if packed.problem is None else "failed",
            "created_at": now,
            "changed_at": now,
            "size_bytes": sum(map(len, packed.contents.values())),
            "problem": packed.problem and packed.problem[0],
            "detail": packed.problem and packed.problem[1],
        }
        written = connection.execute(insert(parcels).values(row | waiting()))
        number = written.inserted_primary_key[0]  # type: ignore[index] # an insert of one row has one
        for name, content in packed.contents.items():
            connection.execute(insert(parcel_contents).values(parcel_id=number, name=name, content=content))

    def claim(self, state: str, *, suspects: bool = True) -> ParcelClaim | None:
        """Take the next parcel for the destination `state` whose time has come; None where there is none.

        Raises:
            SpoolUnavailableError: the database cannot be reached.
        """
        other = parcels.alias("other")
        before = exists().where(  # of the same film: it arrives first, or it is on its way
            other.c.sop_instance_uid == parcels.c.sop_instance_uid,
            other.c.destination == parcels.c.destination,
            other.c.state == "waiting",
            or_(other.c.id < parcels.c.id, and_(other.c.id > parcels.c.id, other.c.lease_until > self._clock())),
        )
        which = and_(parcels.c.destination == state, parcels.c.state == "waiting", ~before)
        with transaction(self._engine) as connection:
            if (taken := self._leases.take(connection, which, order=((), (parcels.c.id,)), suspects=suspects)) is None:
                return None
            row, lease = taken
            query = select(parcel_contents).where(parcel_contents.c.parcel_id == row.id)
            contents = {content.name: content.content for content in connection.execute(query)}
        parcel = Parcel(row.key, contents, row.study_instance_uid)
        names = (row.destination, row.sop_instance_uid)
        return ParcelClaim(row.id, lease.attempts, lease.crashes, lease.token, *names, parcel, carrier_of(row))

    def delivered(self, claim: ParcelClaim) -> bool:
        """The destination has the parcel: its bytes go, and older dead letters about the film, which come too late.

        False where the lease was lost.
        """
        older = and_(
            parcels.c.destination == claim.destination,
            parcels.c.sop_instance_uid == claim.sop_instance_uid,
            parcels.c.id < claim.id,
            parcels.c.state == "failed",
        )
        done = {"state": "delivered", "changed_at": self._clock(), "lease_until": 0.0, "size_bytes": 0}
        done |= {"problem": None, "detail": None}
        with transaction(self._engine) as connection:
            if not self._leases.change(connection, claim.id, claim.token, **done):
                return False
            connection.execute(delete(parcel_contents).where(parcel_contents.c.parcel_id == claim.id))
            if claim.sop_instance_uid is not None:
                remove_parcels(connection, older)
        return True

    def refused(self, claim: ParcelClaim, problem: str, detail: str) -> bool:
        """It is a dead letter; False where the lease was lost."""
        return self.postpone(claim, problem, detail, delay_s=None)

    def postpone(
        self, claim: ParcelClaim, problem: str, detail: str, *, delay_s: float | None, counts: bool = True
    ) -> bool:
        """Try again after `delay_s`; None: never by itself, it is a dead letter. False where the lease was lost."""
        now = self._clock()
        changes: dict[str, object] = {"problem": problem, "detail": detail, "lease_until": 0.0}
        changes["attempts"] = claim.attempts if counts else claim.attempts - 1
        changes |= {"state": "failed", "changed_at": now} if delay_s is None else {"next_attempt_at": now + delay_s}
        with transaction(self._engine) as connection:
            return self._leases.change(connection, claim.id, claim.token, **changes)

    def release(self, claim: ParcelClaim) -> bool:
        """Give back a parcel whose delivery was cut off, as if it had not been claimed; False: the lease was lost."""
        with transaction(self._engine) as connection:
            changes = {"lease_until": 0.0, "attempts": claim.attempts - 1}
            return self._leases.change(connection, claim.id, claim.token, **changes)

    def retry(self, sop_instance_uid: str) -> int:
        """Try the dead letters about a film again; returns how many there were that have contents."""
        letters = and_(
            parcels.c.sop_instance_uid == sop_instance_uid, parcels.c.state == "failed", parcels.c.size_bytes > 0
        )
        again = {"state": "waiting", "changed_at": self._clock(), "attempts": 0, "crashes": 0}
        with transaction(self._engine) as connection:
            again_at_once = update(parcels).where(letters).values(again | {"next_attempt_at": AT_ONCE})
            return connection.execute(again_at_once).rowcount


def remove_parcels(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Delete parcels with their bytes."""
    which = select(parcels.c.id).where(condition)
    connection.execute(delete(parcel_contents).where(parcel_contents.c.parcel_id.in_(which)))
    connection.execute(delete(parcels).where(condition))
