"""The deliveries of one service: what each destination is to get, the work on it, and what is known of it."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import structlog
from pydicom.dataset import Dataset
from sqlalchemy import Connection, Engine

from schemas.analysis import AnalysisRecord
from schemas.bodies.jobs import Job
from schemas.errors import CxrError, InternalError
from schemas.monitoring import Suspension
from schemas.results import DestinationState
from service.destinations.destination import Destination, FinishedFilm, TakesEvents, TakesJobs
from service.destinations.entry import Entry
from service.destinations.file import read_entries
from service.destinations.kinds.surroundings import Surroundings
from service.destinations.kinds.table import KINDS
from service.destinations.outbox import Outbox, Packed, ParcelClaim
from service.destinations.parcel_ledger import ParcelLedger
from service.dicomweb.worker import Step
from service.measures.destination import NOT_IN_FILE, STATES
from service.services import Services
from service.settings import DicomwebSettings, DimseSettings
from service.tracing.span import around_claims

HOUSEKEEPING_S: Final = 5.0
HOUR_S: Final = 3600
Opener = Callable[[Entry, Engine], AbstractAsyncContextManager[Destination]]
"""Opens the destination of an entry, with the spool's database."""

log = structlog.get_logger("service.destinations")


class Deliveries:
    """The destinations of a file, opened while it is `running`; see `service.dicomweb.delivery.Outbox`."""

    def __init__(
        self,
        entries: Sequence[Entry],
        opener: Opener,
        services: Services,
        *,
        retention_s: float,
    ) -> None:
        """Where `services` are silent nothing is announced; what waits goes on waiting: nobody works on `steps`."""
        self._entries = {entry.name: entry for entry in entries}
        self._open = opener
        self._metrics = services.metrics.destinations
        self._record = services.audit.record_delivery
        self._tracing = services.tracing
        self._retention_s = retention_s
        self._active = services.mode == "active"
        self._opened: dict[str, Destination] = {}

    @asynccontextmanager
    async def running(self, engine: Engine) -> AsyncIterator[None]:
        """Open the destinations, and look after their parcels until the end.

        Raises:
            SettingsError: a file that an entry names cannot be used.
        """
        self._outbox = Outbox(engine)
        self._ledger = ParcelLedger(engine, retention_s=self._retention_s)
        async with AsyncExitStack() as stack:
            for name, entry in self._entries.items():
                self._opened[name] = await stack.enter_async_context(self._open(entry, engine))
            task = asyncio.create_task(self._keep_house())
            stack.push_async_callback(_ended, task)
            yield

    @property
    def steps(self) -> Sequence[Step]:
        """One for each destination: one that is down holds up no other."""
        return [
            Step(
                state=name,
                work=partial(self._deliver, self._opened[name]),
                at_once=entry.at_once,
                max_attempts=entry.max_attempts,
                count_failure=partial(self._count, name),
                queue=self._outbox,
                span=around_claims(self._tracing, f"deliver to {name}"),
            )
            for name, entry in self._entries.items()
        ]

    def posting(
        self, source: Dataset, record: AnalysisRecord, objects: Mapping[str, bytes]
    ) -> Callable[[Connection], None]:
        """Pack what the destinations get about a film; what is returned writes it, in the caller's transaction."""
        film = FinishedFilm(source, record, objects)
        packed = [
            _packed(name, partial(self._opened[name].pack, film), record)
            for name, entry in self._entries.items()
            if entry.rules.fit(film)
        ]
        return partial(self._put, packed)

    def announce(self, connection: Connection, suspension: Suspension) -> None:
        """Write what the destinations get about a suspension, in the caller's transaction."""
        packed = [
            _packed(name, partial(each.pack_suspension, suspension))
            for name, each in self._opened.items()
            if self._active and isinstance(each, TakesEvents)
        ]
        self._put(packed, connection)

    def takes_jobs(self, name: str) -> bool:
        """Whether a destination of this name can be told that a job has ended."""
        return self._active and isinstance(self._opened.get(name), TakesJobs)

    def announce_job(self, connection: Connection, job: Job) -> None:
        """Write what the destination gets that a job names, in the caller's transaction."""
        destination = self._opened.get(job.notify or "")
        if self._active and job.notify is not None and isinstance(destination, TakesJobs):
            self._put([_packed(job.notify, partial(destination.pack_job, job))], connection)

    def states(self, sop_instance_uid: str) -> tuple[DestinationState, ...]:
        """How far the deliveries about a film are."""
        return self._ledger.of(sop_instance_uid)

    def retry(self, sop_instance_uid: str) -> int:
        """Try its dead letters again; returns how many there were."""
        return self._outbox.retry(sop_instance_uid)

    async def _deliver(self, destination: Destination, claim: ParcelClaim) -> None:
        await destination.send(claim.parcel)
        if await asyncio.to_thread(self._outbox.delivered, claim):
            self._count(claim.destination, "delivered")
            self._record(claim.destination, claim.parcel.study_instance_uid)

    def _put(self, packed: Sequence[Packed], connection: Connection) -> None:
        for each in packed:
            if each.contents or each.problem is not None:
                self._outbox.put(connection, each)

    def _count(self, name: str, outcome: str) -> None:
        self._metrics.deliveries.labels(name, outcome).inc()

    async def _keep_house(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._tidy)
            except Exception as error:  # noqa: BLE001 supervisor: the database may be away for a while
                _log_failure("outbox_housekeeping_failed", error)
            await asyncio.sleep(HOUSEKEEPING_S)

    def _tidy(self) -> None:
        if mended := self._ledger.mend_times():
            log.warning("outbox_times_mended", parcels=mended, reason="the clock was set back")
        for (name, state), parcels in self._ledger.prune(frozenset(self._entries)).items():
            if state != "delivered":
                self._metrics.forgotten.labels(self._label(name)).inc(parcels)
                reason = "their retention is over, and nobody tried them again"
                log.error("destination_letters_forgotten", destination=name, parcels=parcels, reason=reason)
        depths = self._ledger.depths()
        self._metrics.depth.clear()
        for name in {*self._entries, *depths}:
            label = self._label(name)
            for state in STATES:
                waiting = depths[name].states.get(state, 0) if name in depths else 0
                self._metrics.depth.labels(label, state).inc(waiting)  # several may have gone from the file
            self._metrics.oldest.labels(label).set(depths[name].oldest_s if name in depths else 0.0)

    def _label(self, name: str) -> str:
        return name if name in self._entries else NOT_IN_FILE


def deliveries_of(settings: DicomwebSettings, dimse: DimseSettings, services: Services) -> Deliveries:
    """The deliveries of the settings; without a file, those to nobody.

    Raises:
        SettingsError: the file of destinations cannot be used.
    """
    entries = () if settings.destinations is None else read_entries(settings.destinations)

    def opener(entry: Entry, engine: Engine) -> AbstractAsyncContextManager[Destination]:
        return KINDS[entry.kind].open(entry, Surroundings(engine, dimse))

    return Deliveries(entries, opener, services, retention_s=settings.results_retention_h * HOUR_S)


def _packed(name: str, pack: Callable[[], Mapping[str, bytes]], record: AnalysisRecord | None = None) -> Packed:
    """What `pack` packs; where it fails, a dead letter, for one destination must not keep a film from the others."""
    sop, study = (None, None) if record is None else (record.sop_instance_uid, record.study_instance_uid)
    try:
        return Packed(name, pack(), sop, study)
    except Exception as error:  # noqa: BLE001 supervisor of one destination: it must not stop the others
        _log_failure("parcel_not_packed", error, destination=name)
        detail = str(error) if isinstance(error, CxrError) else "it could not be packed; the reason is in the log"
        code = error.code if isinstance(error, CxrError) else InternalError.code
        return Packed(name, {}, sop, study, problem=(code, detail))


def _log_failure(event: str, error: Exception, **fields: str) -> None:
    """Log our own message, and of other errors where: a library may quote a patient's name or a password."""
    if isinstance(error, CxrError):
        log.error(event, code=error.code, reason=str(error), **fields)
        return
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error(event, error=type(error).__name__, where=where, **fields)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
