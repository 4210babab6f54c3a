"""The durable spool: every film that was accepted, until its results are with the PACS.

It knows states and bytes; it knows neither DICOM nor HTTP. A method returns after its transaction is on disk.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, NotRequired, TypedDict, Unpack

from sqlalchemy import Connection, Engine, and_, insert, update

from schemas.results import ResultState, SpoolPriority
from service.capacity.admission import Priority
from service.dicomweb.history import issues as issued
from service.dicomweb.history import rows
from service.dicomweb.history.issues import Issue, NotesWriter, Withdrawal
from service.dicomweb.history.studies import next_number, touch
from service.dicomweb.instance import Instance
from service.dicomweb.tables import HAS_BYTES, SOURCE, instances, transaction
from service.leases import AT_ONCE, Leases, carried_now, carrier_of
from service.tracing.span import NO_CARRIER, Carrier

Stored = Literal["new", "known", "corrected"]


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
    state: ResultState = "received"
    sha256: str = ""
    """Of its content."""
    version: int = 1
    number: int = 0
    """Of its results in the study; 0: that of the film."""
    older: tuple[Issue, ...] = ()
    """What was issued about other versions of the film, and is to be withdrawn."""
    read_instead: str | None = None
    """SOPInstanceUID of the film FOR PRESENTATION of the same exposure, where this one is FOR PROCESSING."""
    carrier: Carrier = NO_CARRIER
    """The trace of the request that stored it or, once it was read, of the analysis."""


class Results(TypedDict):
    """What an analysis leaves."""

    model_sha256: str
    """Of what serves."""
    record: str
    """The analysis, as JSON."""
    objects: Mapping[str, bytes]
    """What an archive gets, by SOPInstanceUID; none where there is none."""
    issue: NotRequired[Issue | None]
    """The same, as it is remembered; absent: nothing goes to an archive."""


class _Outcome(NamedTuple):
    """What is written with a film's new state."""

    objects: Mapping[str, bytes]
    issue: Issue | None
    also: Callable[[Connection], None]


_NOTHING: Final = _Outcome({}, None, lambda _: None)


class Spool:
    """The films of one database.

    Invariant: a film in state `received` has its source; one that is to be delivered has its
    objects and no source; one that is `delivered` has no bytes at all. One that is `refused` or
    `withdrawn` has at most what withdraws results of it.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        capacity: int,
        clock: Callable[[], float] = time.time,
        write_notes: NotesWriter = lambda _: {},
        study_quiet_s: float = 0.0,
    ) -> None:
        """`capacity` bounds the films with bytes; `study_quiet_s` without a change make a study's summary due."""
        self._engine = engine
        self._capacity = capacity
        self._clock = clock
        self._write_notes = write_notes
        self._study_quiet_s = study_quiet_s
        self._leases = Leases(instances, instances.c.sop_instance_uid, clock)

    def store(self, instance: Instance, priority: SpoolPriority, model_sha256: str) -> Stored:
        """Store a film; the same content is not stored twice, another content is a new version of the film.

        A known content is analysed again where what read it no longer serves as it did, or where it is a dead letter;
        not where its results were withdrawn.

        Raises:
            SpoolFullError: there is no room.
            SpoolUnavailableError: the database cannot be written.
        """
        uid = instance.sop_instance_uid
        with transaction(self._engine) as connection:
            known = rows.locked(connection, uid)
            # The hash of the file is what versions before 0.2.0 kept.
            is_same = known is not None and known.sha256 in (instance.content_sha256, instance.sha256)
            if known is not None and is_same and rows.needs_no_work(known, model_sha256):
                rows.hurry(connection, known, priority)
                return "known"
            if known is None or known.size_bytes == 0:
                rows.check_room(connection, self._capacity)
            now = self._clock()
            row = rows.row_of(instance, self._study_quiet_s, now)
            row["number"] = (known.number if known is not None and is_same else 0) or next_number(
                connection, instance.study_instance_uid, now
            )
            row |= {"priority": priority, "model_sha256": model_sha256}
            if known is None:
                connection.execute(insert(instances).values(row))
            else:
                issued.forget_unsent(connection, uid)
                row["version"] = known.version + (not is_same)
                row["next_attempt_at"] = max(row["next_attempt_at"], issued.quiet_until(known, now))
                connection.execute(update(instances).where(instances.c.sop_instance_uid == uid).values(row))
                self._study_changed(connection, known.study_instance_uid)
            rows.put(connection, uid, {SOURCE: instance.content})
            self._study_changed(connection, instance.study_instance_uid)
        return "new" if known is None or is_same else "corrected"

    def has_room(self, connection: Connection) -> bool:
        """Whether a new film would be stored."""
        return rows.films_with_bytes(connection) < self._capacity

    def claim(self, state: Literal["received", "backfill", "analysed"], *, suspects: bool = True) -> Claim | None:
        """Take the next film of that state whose time has come, stat before routine; None where there is none.

        Args:
            state: what the film waits for; `backfill`: its analysis, where no film of another priority waits for one.
            suspects: whether films may be taken with which in hand a process ended; they come last.

        Raises:
            SpoolUnavailableError: the database cannot be reached.
        """
        which = and_(rows.waiting_for(state, self._clock()), HAS_BYTES)
        order = ((rows.RANK,), (instances.c.received_at,))
        with transaction(self._engine) as connection:
            if (taken := self._leases.take(connection, which, order=order, suspects=suspects)) is None:
                return None
            row, lease = taken
            contents = rows.contents_of(connection, row.sop_instance_uid)
            older = issued.issues_of(connection, row.sop_instance_uid, but=row.version)
            if state == "analysed":
                issued.mark_sent(connection, row.sop_instance_uid)
            read_instead = rows.presented(connection, row)
        priority: Priority = "stat" if row.priority == "stat" else "routine"
        names = (row.sop_instance_uid, row.study_instance_uid, priority)
        content = (row.state, row.sha256, row.version, row.number)
        return Claim(
            *names, lease.attempts, lease.crashes, lease.token, contents, *content, older, read_instead, carrier_of(row)
        )

    def analysed(
        self, claim: Claim, *, also: Callable[[Connection], None] = lambda _: None, **results: Unpack[Results]
    ) -> bool:
        """The film was read: its bytes go, its results stay; False where the lease was lost.

        `also` writes what else follows from the analysis, in the same transaction.
        """
        issue = results.get("issue")
        changes = {"record": results["record"], "model_sha256": results["model_sha256"]}
        return self._finish(claim, "analysed", _Outcome(results["objects"], issue, also), **changes)

    def refused(self, claim: Claim, problem: str, detail: str) -> bool:
        """The film cannot be read, now or later: its bytes go; False where the lease was lost."""
        return self._finish(claim, "refused", problem=problem, detail=detail)

    def delivered(self, claim: Claim) -> bool:
        """The PACS has the results, or knows that they are withdrawn; the bytes go. False where the lease was lost."""
        if claim.state == "analysed":
            return self._finish(claim, "delivered", problem=None, detail=None)
        return self._finish(claim, claim.state)

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
            is_ours = self._change(connection, claim, changes)
            if is_ours and delay_s is None and claim.state == "received":
                self._study_changed(connection, claim.study_instance_uid)
        return is_ours

    def release(self, claim: Claim) -> bool:
        """Give back a film whose work was cut off, as if it had not been claimed; False where the lease was lost."""
        with transaction(self._engine) as connection:
            return self._change(connection, claim, {"lease_until": 0.0, "attempts": claim.attempts - 1})

    def _finish(self, claim: Claim, state: ResultState, outcome: _Outcome = _NOTHING, **changes: object) -> bool:
        now = self._clock()
        uid = claim.sop_instance_uid
        objects, issue, also = outcome
        if claim.state == "received" and claim.older:
            withdrawal = Withdrawal(claim.older, None, issue, claim.number or 1, now)
            objects = {**objects, **self._write_notes(withdrawal)}
        changes |= {"state": state, "changed_at": now, "next_attempt_at": AT_ONCE, "lease_until": 0.0}
        changes |= {"attempts": 0, "crashes": 0, **carried_now()}
        changes["size_bytes"] = sum(map(len, objects.values()))
        with transaction(self._engine) as connection:
            if not self._change(connection, claim, changes):
                return False
            rows.put(connection, uid, objects)
            if issue is not None:
                names = (uid, claim.study_instance_uid, claim.sha256, claim.version)
                issued.record_issue(connection, names, issue, now)
            if claim.state != "received":
                issued.forget_older(connection, uid, None if state == "withdrawn" else claim.version)
            else:
                self._study_changed(connection, claim.study_instance_uid)
            also(connection)
        return True

    def _study_changed(self, connection: Connection, study_instance_uid: str) -> None:
        now = self._clock()
        if self._study_quiet_s:
            touch(connection, study_instance_uid, now + self._study_quiet_s, now)

    def _change(self, connection: Connection, claim: Claim, changes: Mapping[str, object]) -> bool:
        return self._leases.change(connection, claim.sop_instance_uid, claim.token, **changes)
