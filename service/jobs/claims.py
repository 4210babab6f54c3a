"""The queue that brings films into the spool: what waits to be fetched, or to be searched; see `service.leases.Queue`.

A film is fetched while few of a backfill are in the spool: it must not fill the spool that routine films need.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, or_, select

from service.dicomweb.history.rows import BACKFILL, needs_no_work
from service.dicomweb.tables import HAS_BYTES, instances, transaction
from service.jobs.register import Register, search_row
from service.jobs.retrieval import Page
from service.jobs.tables import films, jobs
from service.leases import AT_ONCE, Leases

IN_SPOOL: Final = 16
"""Films of backfills that may wait in the spool for their analysis."""
Kind = Literal["fetch", "search"]


@dataclass(frozen=True, slots=True)
class FilmClaim:
    """A film, or a search, that this worker alone may work on until the lease ends."""

    number: int
    job: int
    job_id: str
    verify: bool
    kind: str
    attempts: int
    crashes: int
    token: str
    uids: tuple[str | None, str | None, str | None]
    """Of study, series and instance."""
    place: Mapping[str, Any]


class FilmClaims:
    """The waiting films of one database."""

    def __init__(
        self,
        engine: Engine,
        register: Register,
        *,
        local_archives: Callable[[], Collection[str]],
        has_room: Callable[[Connection], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`local_archives` are the ids of jobs whose archive is on this machine; `clock`: seconds since 1970.

        `has_room`: whether the spool would store a film. Else none is fetched: each would be, again and again.
        """
        self._engine = engine
        self._register = register
        self._local_archives = local_archives
        self._has_room = has_room
        self._clock = clock
        self._leases = Leases(films, films.c.number, clock)

    def claim(self, state: Kind, *, suspects: bool = True) -> FilmClaim | None:
        """Take the next film or search whose time has come; None where there is none, or the spool holds enough."""
        with transaction(self._engine) as connection:
            if state == "search":
                which: ColumnElement[bool] = films.c.kind == "search"
            else:
                waits = (instances.c.state == "received") & HAS_BYTES & (instances.c.priority == BACKFILL)
                present = connection.scalar(select(func.count()).select_from(instances).where(waits)) or 0
                if present >= IN_SPOOL or not self._has_room(connection):
                    return None
                local = select(jobs.c.number).where(jobs.c.id.in_(list(self._local_archives())))
                which = or_(films.c.kind == "film", and_(films.c.kind == "member", films.c.job.in_(local)))
            running = select(jobs.c.number).where(jobs.c.state == "running")
            due = and_(films.c.state == "waiting", which, films.c.job.in_(running))
            taken = self._leases.take(connection, due, order=((), (films.c.number,)), suspects=suspects)
            if taken is None:
                return None
            row, lease = taken
            job = connection.execute(select(jobs).where(jobs.c.number == row.job)).one()
        uids = (row.study_instance_uid, row.series_instance_uid, row.sop_instance_uid)
        place = {} if row.place is None else json.loads(row.place)
        counts = (lease.attempts, lease.crashes, lease.token)
        return FilmClaim(row.number, row.job, job.id, bool(job.verify), row.kind, *counts, uids, place)

    def reuse(self, claim: FilmClaim, model_sha256: str) -> bool:
        """Take the film as it was read before by this bundle, where it was; it is not fetched."""
        with transaction(self._engine) as connection:
            known = connection.execute(
                select(instances).where(instances.c.sop_instance_uid == claim.uids[2])
            ).one_or_none()
            if known is None or not needs_no_work(known, model_sha256):
                return False
            return self._leases.change(connection, claim.number, claim.token, state="stored", reused=1, **_FREE)

    def stored(self, claim: FilmClaim, study: str, sop_instance_uid: str, *, reused: bool) -> bool:
        """The film is in the spool, or was read before; False where the lease was lost, or the job cancelled."""
        changes = {"state": "stored", "reused": int(reused), "study_instance_uid": study, **_FREE}
        twin = and_(
            films.c.job == claim.job, films.c.sop_instance_uid == sop_instance_uid, films.c.number != claim.number
        )
        with transaction(self._engine) as connection:
            if connection.scalar(select(func.count()).select_from(films).where(twin)):
                detail = "the job has this film already"
                changes |= {"state": "refused", "reused": 0, "problem": "duplicate", "detail": detail}
            else:
                changes["sop_instance_uid"] = sop_instance_uid
            return self._leases.change(connection, claim.number, claim.token, **changes)

    def searched(self, claim: FilmClaim, page: Page, *, at_most: int) -> bool:
        """Write a page of what a search found. An empty one ends it, and the same again: that PACS ignores offsets.

        A page without a film ends nothing: studies of hundreds of other instances come before films.

        Args:
            claim: the search.
            page: what it found.
            at_most: films of the job.
        """
        running = select(jobs.c.number).where(jobs.c.number == claim.job, jobs.c.state == "running")
        with transaction(self._engine) as connection:
            # Who cancels waits for these films, and finds them; the job comes first there too.
            if connection.scalar(running.with_for_update()) is None:
                return False
            if not self._leases.change(connection, claim.number, claim.token, **_FREE):
                return False
            if page.next_offset is None or page.fingerprint == claim.place.get("before"):
                return self._leases.change(connection, claim.number, claim.token, state="analysed", attempts=0)
            count = select(func.count()).select_from(films).where(films.c.job == claim.job, films.c.kind != "search")
            room = max(0, at_most - (connection.scalar(count) or 0))
            self._register.add_films(connection, claim.job, page.films[:room])
            if len(page.films) > room:
                detail = f"the search finds more than {at_most} films (CXR_JOBS_MAX_FILMS); narrow it"
                changes: dict[str, Any] = {"state": "failed", "problem": "body_too_large", "detail": detail}
            else:
                place = claim.place
                row = search_row(place["path"], place["parameters"], page.next_offset, page.fingerprint)
                changes = {"place": row["place"], "attempts": 0, "next_attempt_at": AT_ONCE}
            return self._leases.change(connection, claim.number, claim.token, **changes)

    def refused(self, claim: FilmClaim, problem: str, detail: str) -> bool:
        """It is not a film that can be read."""
        return self._change(claim, state="refused", problem=problem, detail=detail, **_FREE)

    def postpone(
        self, claim: FilmClaim, problem: str, detail: str, *, delay_s: float | None, counts: bool = True
    ) -> bool:
        """Try again after `delay_s`; None: it is given up."""
        changes: dict[str, Any] = {"problem": problem, "detail": detail, **_FREE}
        changes["attempts"] = claim.attempts if counts else claim.attempts - 1
        changes |= {"state": "failed"} if delay_s is None else {"next_attempt_at": self._clock() + delay_s}
        return self._change(claim, **changes)

    def release(self, claim: FilmClaim) -> bool:
        """Give back what was cut off, as if it had not been claimed."""
        return self._change(claim, attempts=claim.attempts - 1, **_FREE)

    def _change(self, claim: FilmClaim, **changes: Any) -> bool:
        with transaction(self._engine) as connection:
            return self._leases.change(connection, claim.number, claim.token, **changes)


_FREE: Final[dict[str, Any]] = {"lease_until": 0.0}
