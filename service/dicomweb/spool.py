"""The durable spool: every film that was accepted, until its results are with the PACS.

It knows states and bytes; it knows neither DICOM nor HTTP. A method returns after its transaction is on disk.
"""

import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from sqlalchemy import Connection, Engine, and_, delete, func, insert, select

from schemas.errors import SpoolFullError
from schemas.results import ResultState
from service.capacity.admission import Priority
from service.dicomweb.instance import Instance
from service.dicomweb.tables import HAS_BYTES, SOURCE, instances, payloads, remove_films, transaction
from service.leases import AT_ONCE, Leases, waiting

Stored = Literal["new", "known", "other_content"]


class Claim(NamedTuple):
    """One film that this worker alone may work on until the lease ends."""

    sop_instance_uid: str
    study_instance_uid: str
    priority: Priority
    attempts: int
    """Of this step, this one included."""
    crashes: int
    """How many of them ended with the process that made them."""
    token: str
    payloads: Mapping[str, bytes]


class Spool:
    """The films of one database.

    Invariant: a film in state `received` has its source; one that is to be delivered has its
    objects and no source; one that is `delivered` or `refused` has no bytes at all.
    """

    def __init__(self, engine: Engine, *, capacity: int, clock: Callable[[], float] = time.time) -> None:
        """`capacity` bounds the films that hold bytes; `clock` is in seconds since 1970."""
        self._engine = engine
        self._capacity = capacity
        self._clock = clock
        self._leases = Leases(instances, instances.c.sop_instance_uid, clock)

    def store(self, instance: Instance, priority: Priority, model_sha256: str) -> Stored:
        """Store a film; one that is known is not stored twice.

        A known film is analysed again where what read it no longer serves as it did, or where it is a dead letter.

        Raises:
            SpoolFullError: there is no room.
            SpoolUnavailableError: the database cannot be written.
        """
        uid = instance.sop_instance_uid
        digest = instance.sha256
        with transaction(self._engine) as connection:
            known = connection.execute(select(instances).where(instances.c.sop_instance_uid == uid)).one_or_none()
            if known is not None and known.sha256 != digest:
                return "other_content"
            if known is not None and known.state != "failed" and known.model_sha256 == model_sha256:
                return "known"
            if known is None or known.size_bytes == 0:
                self._check_room(connection)
            remove_films(connection, instances.c.sop_instance_uid == uid)
            now = self._clock()
            row = {
                "sop_instance_uid": uid,
                "study_instance_uid": instance.study_instance_uid,
                "sha256": digest,
                "model_sha256": model_sha256,
                "priority": priority,
                "state": "received",
                "received_at": now,
                "changed_at": now,
                "size_bytes": len(instance.content),
            }
            row |= waiting()
            connection.execute(insert(instances).values(row))
            connection.execute(insert(payloads).values(sop_instance_uid=uid, name=SOURCE, content=instance.content))
        return "new"

    def claim(self, state: Literal["received", "analysed"], *, suspects: bool = True) -> Claim | None:
        """Take the next film of that state whose time has come, stat before routine; None where there is none.

        Args:
            state: what the film waits for.
            suspects: whether films may be taken with which in hand a process ended; they come last.

        Raises:
            SpoolUnavailableError: the database cannot be reached.
        """
        which = and_(instances.c.state == state, HAS_BYTES)
        order = ((instances.c.priority != "stat",), (instances.c.received_at,))
        with transaction(self._engine) as connection:
            if (taken := self._leases.take(connection, which, order=order, suspects=suspects)) is None:
                return None
            row, lease = taken
            stored = connection.execute(
                select(payloads.c.name, payloads.c.content).where(payloads.c.sop_instance_uid == row.sop_instance_uid)
            )
            contents = {payload.name: payload.content for payload in stored}
        names = (row.sop_instance_uid, row.study_instance_uid, row.priority)
        return Claim(*names, lease.attempts, lease.crashes, lease.token, contents)

    def analysed(
        self,
        claim: Claim,
        *,
        model_sha256: str,
        record: str,
        objects: Mapping[str, bytes],
        also: Callable[[Connection], None] = lambda _: None,
    ) -> bool:
        """The film was read: its bytes go, its results stay; False where the lease was lost.

        `also` writes what else follows from the analysis, in the same transaction.
        """
        return self._finish(claim, "analysed", objects, also, record=record, model_sha256=model_sha256)

    def refused(self, claim: Claim, problem: str, detail: str) -> bool:
        """The film cannot be read, now or later: its bytes go; False where the lease was lost."""
        return self._finish(claim, "refused", problem=problem, detail=detail)

    def delivered(self, claim: Claim) -> bool:
        """The PACS has the results: the bytes go; False where the lease was lost."""
        return self._finish(claim, "delivered", problem=None, detail=None)

    def postpone(self, claim: Claim, problem: str, detail: str, *, delay_s: float | None, counts: bool = True) -> bool:
        """Try again after `delay_s`; None: never by itself, it is a dead letter. False where the lease was lost.

        `counts`: whether this was an attempt; else the film has as many left as before its claim.
        """
        changes: dict[str, object] = {"problem": problem, "detail": detail, "lease_until": 0.0}
        changes["attempts"] = claim.attempts if counts else claim.attempts - 1
        if delay_s is None:
            changes |= {"state": "failed", "changed_at": self._clock()}
        else:
            changes |= {"next_attempt_at": self._clock() + delay_s}
        with transaction(self._engine) as connection:
            return self._change(connection, claim, changes)

    def release(self, claim: Claim) -> bool:
        """Give back a film whose work was cut off, as if it had not been claimed; False where the lease was lost."""
        with transaction(self._engine) as connection:
            return self._change(connection, claim, {"lease_until": 0.0, "attempts": claim.attempts - 1})

    def _finish(
        self,
        claim: Claim,
        state: ResultState,
        objects: Mapping[str, bytes] = {},
        also: Callable[[Connection], None] = lambda _: None,
        **changes: object,
    ) -> bool:
        now = self._clock()
        uid = claim.sop_instance_uid
        changes |= {"state": state, "changed_at": now, "next_attempt_at": AT_ONCE, "lease_until": 0.0}
        changes |= {"attempts": 0, "crashes": 0}
        changes["size_bytes"] = sum(map(len, objects.values()))
        with transaction(self._engine) as connection:
            if not self._change(connection, claim, changes):
                return False
            connection.execute(delete(payloads).where(payloads.c.sop_instance_uid == uid))
            for name, content in objects.items():
                connection.execute(insert(payloads).values(sop_instance_uid=uid, name=name, content=content))
            also(connection)
        return True

    def _change(self, connection: Connection, claim: Claim, changes: Mapping[str, object]) -> bool:
        return self._leases.change(connection, claim.sop_instance_uid, claim.token, **changes)

    def _check_room(self, connection: Connection) -> None:
        waiting = connection.scalar(select(func.count()).select_from(instances).where(HAS_BYTES)) or 0
        if waiting >= self._capacity:
            msg = f"{waiting} films wait in the spool, which holds {self._capacity}; send the film again later"
            raise SpoolFullError(msg)
