"""The jobs of one service: made, worked on by the loops of the spool, and ended.

They are the `service.dicomweb.delivery.Backlog` of the spool.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine

from imaging.limits import DecodeLimits
from schemas.bodies.jobs import FilmReference, Job, JobRequest
from schemas.errors import CxrError, InvalidParameterError, PacsRefusedError
from service.dicomweb.history.rows import BACKFILL
from service.dicomweb.instance import read_instance
from service.dicomweb.pacs import open_pacs_line
from service.dicomweb.spool import Spool
from service.dicomweb.worker import Step
from service.jobs.archive import Archives
from service.jobs.asked import Asked, Created
from service.jobs.claims import FilmClaim, FilmClaims
from service.jobs.ending import Ending
from service.jobs.register import Announce, Register, search_row
from service.jobs.retrieval import Source, require_film
from service.jobs.tables import create_tables
from service.services import Services
from service.settings import JobSettings, PacsSettings

ATTEMPTS: Final = 12
"""To fetch one film, or to ask for one page: half an hour with the waits between."""
HOUR_S: Final = 3600
INSTANCES: Final = "instances"


class Jobs:
    """Works while it is `running`: the database of the spool is opened after the settings are read."""

    def __init__(
        self,
        services: Services,
        settings: JobSettings,
        pacs: PacsSettings,
        *,
        announce: Announce,
        may_notify: Callable[[str], bool],
    ) -> None:
        """Make them; nothing is opened yet.

        Args:
            services: limits, metrics, and the bundles that serve.
            settings: of jobs.
            pacs: where films are fetched.
            announce: writes what others are to learn of a job that has ended.
            may_notify: whether a destination of this name takes that.
        """
        self._services = services
        self._settings = settings
        self._pacs = pacs
        self._announce = announce
        self._may_notify = may_notify
        self.source: Source | None = None
        self.archives = Archives(
            settings.folder, settings.archive_bytes, settings.max_films, services.limits.max_body_bytes
        )

    @asynccontextmanager
    async def running(self, engine: Engine) -> AsyncIterator[None]:
        """Open the tables and the line to the PACS.

        Raises:
            SettingsError: certificates or credentials of the PACS cannot be used.
        """
        await asyncio.to_thread(create_tables, engine)
        self.register = Register(engine, announce=self._announce)
        self._engine = engine
        retention_s = self._settings.retention_h * HOUR_S
        self._ending = Ending(engine, announce=self._announce, retention_s=retention_s)
        async with open_pacs_line(self._pacs) as line:
            if line is not None:
                limits = DecodeLimits(max_pixels=self._services.limits.max_pixels)
                self.source = Source(line, limits, self._services.limits.max_body_bytes)
            yield

    def steps(self, spool: Spool) -> Sequence[Step]:
        """Bring films into the spool, and search the PACS for them."""
        is_here, has_room = self.archives.ids, spool.has_room
        self._claims = FilmClaims(self._engine, self.register, local_archives=is_here, has_room=has_room)
        fetch = partial(self._fetch, spool)
        return [
            Step("fetch", fetch, 1, max_attempts=ATTEMPTS, queue=self._claims, may_start=self._may_fetch),
            Step("search", self._search, 1, max_attempts=ATTEMPTS, queue=self._claims),
        ]

    def tidy(self) -> int:
        """Note what has come of the films, and forget jobs and archives that have ended; returns how many films."""
        settled = self._ending.settle()
        self._ending.prune()
        here = self.archives.ids()
        states = self._ending.states(here)
        for job in here:
            # One without a job is being listed, here or by another process, or its request died.
            if states.get(job, "running") != "running" or (job not in states and self.archives.is_left(job)):
                self.archives.remove(job)
        return settled

    async def create(self, request: JobRequest, asked: Asked) -> Created:
        """Make a job of a list, or of a query.

        Raises:
            InvalidParameterError: there is no PACS to ask, or nobody of the name that is to be told.
            IdempotencyKeyReusedError: the key belongs to a job that asked something else.
        """
        if self.source is None:
            msg = "there is no PACS from which films could be fetched; set CXR_PACS_URL, or send an archive"
            raise InvalidParameterError(msg)
        self._check_notify(asked.notify)
        if len(request.films) > self._settings.max_films:
            msg = f"the list has more than {self._settings.max_films} entries (CXR_JOBS_MAX_FILMS); send several"
            raise InvalidParameterError(msg)
        rows = [_row(film) for film in request.films] or [search_row(INSTANCES, request.query or {})]
        return await asyncio.to_thread(self.register.create, asked, rows)

    async def create_of_archive(
        self, kind: str, chunks: AsyncIterator[bytes], asked: Callable[[str], Asked], notify: str | None
    ) -> Created:
        """Make a job of an archive, once it is on the disk.

        Args:
            kind: zip or tar.
            chunks: its bytes.
            asked: the job, by the SHA-256 of its bytes.
            notify: who is to be told.

        Raises:
            BodyTooLargeError: it is too large, or holds too many files.
            MalformedRequestError: it cannot be read.
            InvalidParameterError, IdempotencyKeyReusedError: see `create`.
        """
        self._check_notify(notify)
        job = uuid.uuid4().hex
        digest = await self.archives.receive(job, kind, chunks)
        try:
            created = await asyncio.to_thread(self.register.create, asked(digest), self._members(job), job)
        except BaseException:
            self.archives.remove(job)
            raise
        if created.is_known:
            self.archives.remove(job)
        return created

    def cancel(self, job_id: str) -> Job:
        """End a job; see `Register.cancel`.

        Raises:
            NotFoundError: there is none of this id.
        """
        job = self.register.cancel(job_id)
        if job.state == "cancelled":
            self.archives.remove(job_id)
        return job

    def _check_notify(self, name: str | None) -> None:
        if name is not None and not self._may_notify(name):
            msg = "notify names no webhook of CXR_DESTINATIONS; the operator adds it there (docs/destinations.md)"
            raise InvalidParameterError(msg)

    def _members(self, job: str) -> Any:
        for place in self.archives.members(job):
            yield {"kind": "member", "place": json.dumps(place)}

    def _may_fetch(self) -> bool:
        return bool(self._services.deployments.live) and not self._services.admission.draining

    async def _fetch(self, spool: Spool, claim: FilmClaim) -> None:
        with self._services.deployments.held() as bundles:
            model_sha256 = bundles.digest
        may_reuse = claim.kind == "film" and not claim.verify
        if may_reuse and await asyncio.to_thread(self._claims.reuse, claim, model_sha256):
            self._count("reused")
            return
        try:
            instance = await self._instance(claim)
        except CxrError as error:
            self._count(error.code)
            raise
        stored = await asyncio.to_thread(spool.store, instance, BACKFILL, model_sha256)
        study, sop = instance.study_instance_uid, instance.sop_instance_uid
        reused = stored == "known"
        await asyncio.to_thread(partial(self._claims.stored, claim, study, sop, reused=reused))
        self._count("reused" if reused else "stored")

    async def _instance(self, claim: FilmClaim) -> Any:
        if claim.kind == "member":
            content = await asyncio.to_thread(self.archives.read, claim.job_id, claim.place)
            limits = DecodeLimits(max_pixels=self._services.limits.max_pixels)
            return require_film(await asyncio.to_thread(read_instance, content, limits))
        study, series, sop = claim.uids
        assert None not in claim.uids  # noqa: S101 such a reference is a search
        return await self._asked_source().fetch(str(study), str(series), str(sop))

    async def _search(self, claim: FilmClaim) -> None:
        place = claim.place
        page = await self._asked_source().search(place["path"], place["parameters"], place["offset"])
        most = self._settings.max_films
        await asyncio.to_thread(partial(self._claims.searched, claim, page, at_most=most))

    def _asked_source(self) -> Source:
        if self.source is None:
            msg = (
                "there is no PACS from which films could be fetched any more; set CXR_PACS_URL, and send the job again"
            )
            raise PacsRefusedError(msg)
        return self.source

    def _count(self, outcome: str) -> None:
        self._services.metrics.job_films.labels(outcome).inc()


def _row(film: FilmReference) -> dict[str, Any]:
    study, series, sop = film.study_instance_uid, film.series_instance_uid, film.sop_instance_uid
    if series is not None and sop is not None:
        uids = {"study_instance_uid": study, "series_instance_uid": series, "sop_instance_uid": sop}
        return {"kind": "film", **uids}
    below = f"studies/{study}/" + (INSTANCES if series is None else f"series/{series}/{INSTANCES}")
    return search_row(below, {} if sop is None else {"SOPInstanceUID": sop})
