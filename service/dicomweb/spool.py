"""The durable spool: every film that was accepted, until its results are with the PACS.

It knows states and bytes; it knows neither DICOM nor HTTP. A method returns after its transaction is on disk.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, Engine, and_, case, delete, func, insert, select, update

from schemas.errors import SpoolFullError
from schemas.results import ResultState
from service.capacity.admission import Priority
from service.dicomweb.instance import Instance
from service.dicomweb.tables import HAS_BYTES, SOURCE, instances, payloads, remove_films, transaction

LEASE_S: Final = 120.0
"""A claim that is older is free again: its worker has died. Work on one film must end before."""
AT_ONCE: Final = 0.0
"""The time of what waits for nothing: it has come, however far the clock is set back."""

_CRASHES: Final = instances.c.crashes + case((instances.c.lease_until > 0, 1), else_=0)
"""A lease that has ended was of a process that has. Films with few go first, so that ends by chance are shared."""

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
                "next_attempt_at": AT_ONCE,
                "attempts": 0,
                "crashes": 0,
                "lease_until": 0.0,
                "size_bytes": len(instance.content),
            }
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
        now = self._clock()
        token = uuid.uuid4().hex
        due = and_(
            instances.c.state == state, instances.c.next_attempt_at <= now, instances.c.lease_until <= now, HAS_BYTES
        )
        if not suspects:
            due = and_(due, _CRASHES == 0)
        order = (instances.c.priority != "stat", _CRASHES, instances.c.received_at)
        with transaction(self._engine) as connection:
            # SQLite has no row locks and needs none: its transactions here are exclusive from their start.
            row = connection.execute(
                select(instances).where(due).order_by(*order).limit(1).with_for_update(skip_locked=True)
            ).one_or_none()
            if row is None:
                return None
            is_film = instances.c.sop_instance_uid == row.sop_instance_uid
            crashes = row.crashes + (row.lease_until > 0)
            claim = {"lease_until": now + LEASE_S, "token": token, "attempts": row.attempts + 1, "crashes": crashes}
            connection.execute(update(instances).where(is_film).values(claim))
            stored = connection.execute(
                select(payloads.c.name, payloads.c.content).where(payloads.c.sop_instance_uid == row.sop_instance_uid)
            )
            contents = {payload.name: payload.content for payload in stored}
        names = (row.sop_instance_uid, row.study_instance_uid, row.priority)
        return Claim(*names, row.attempts + 1, crashes, token, contents)

    def analysed(self, claim: Claim, *, model_sha256: str, record: str, objects: Mapping[str, bytes]) -> bool:
        """The film was read: its bytes go, its results stay; False where the lease was lost."""
        return self._finish(claim, "analysed", objects=objects, record=record, model_sha256=model_sha256)

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

    def _finish(self, claim: Claim, state: ResultState, objects: Mapping[str, bytes] = {}, **changes: object) -> bool:
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
        return True

    @staticmethod
    def _change(connection: Connection, claim: Claim, changes: Mapping[str, object]) -> bool:
        ours = and_(instances.c.sop_instance_uid == claim.sop_instance_uid, instances.c.token == claim.token)
        return connection.execute(update(instances).where(ours).values(changes)).rowcount == 1

    def _check_room(self, connection: Connection) -> None:
        waiting = connection.scalar(select(func.count()).select_from(instances).where(HAS_BYTES)) or 0
        if waiting >= self._capacity:
            msg = f"{waiting} films wait in the spool, which holds {self._capacity}; send the film again later"
            raise SpoolFullError(msg)
