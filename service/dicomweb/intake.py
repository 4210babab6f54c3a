"""What DICOMweb needs in addition to the services: spool, ledger and worker, opened and closed with the app."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Engine

from service.dicomweb.analysis import Desk, ReadsAlong, Watch, analyse
from service.dicomweb.delivery import Backlog, Outbox, deliver
from service.dicomweb.history.notes import rejection_notes
from service.dicomweb.history.rows import BACKFILL
from service.dicomweb.history.summaries import Summaries
from service.dicomweb.history.withdrawals import Withdrawals
from service.dicomweb.ledger import Ledger
from service.dicomweb.pacs import Archive
from service.dicomweb.spool import Claim, Spool
from service.dicomweb.tables import open_database
from service.dicomweb.worker import Step, Worker
from service.services import Services
from service.settings import DicomwebSettings, PacsSettings
from service.tracing.span import around_claims

ANALYSES: Final = 5
"""Attempts to analyse a film that no check refused: the network fails, or the film ends the process."""
DELIVERIES_AT_ONCE: Final = 2
HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Intake:
    """The parts that the routes use."""

    spool: Spool
    ledger: Ledger
    worker: Worker
    engine: Engine
    """The spool's database, for tables of others."""
    withdrawals: Withdrawals
    outbox: Outbox | None = None
    """Where results go in addition to the PACS."""


ArchiveOpener = Callable[[PacsSettings, Engine], AbstractAsyncContextManager[Archive | None]]
"""Opens where results go; None where they stay."""


@dataclass(frozen=True, slots=True)
class Onlookers:
    """Who else sees the films and their answers."""

    watch: Watch | None = None
    """Looks after the answers; None: nobody does."""
    along: ReadsAlong | None = None
    """Reads the films too, once they are answered; None: nobody does."""
    outbox: Outbox | None = None
    """Delivers results, in addition to the PACS; None: nobody does."""
    backlog: Backlog | None = None
    """Brings films that can wait; None: nobody does."""

    def running(self, engine: Engine) -> Iterator[AbstractAsyncContextManager[None]]:
        """Those that there are; the outbox before the watch, which may have something to announce at once."""
        if self.outbox is not None:
            yield self.outbox.running(engine)
        if self.watch is not None:
            yield self.watch.running(engine)
        if self.along is not None:
            yield self.along.reading(engine)
        if self.backlog is not None:
            yield self.backlog.running(engine)


NOBODY: Final = Onlookers()


@asynccontextmanager
async def open_intake(
    services: Services,
    settings: DicomwebSettings,
    pacs_settings: PacsSettings,
    open_archive: ArchiveOpener,
    onlookers: Onlookers = NOBODY,
) -> AsyncIterator[Intake | None]:
    """Open the spool and begin to empty it; None where DICOMweb is switched off.

    Args:
        services: what reads films.
        settings: of the spool.
        pacs_settings: where results go.
        open_archive: how the archive that they name is opened.
        onlookers: who else sees the films.

    Raises:
        SettingsError: the spool or the PACS of the settings cannot be opened.
    """
    if not settings.enabled:
        yield None
        return
    watch, along, outbox, backlog = onlookers.watch, onlookers.along, onlookers.outbox, onlookers.backlog
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(open_database(settings.spool_url))
        pacs = await stack.enter_async_context(open_archive(pacs_settings, engine))
        await _enter(stack, onlookers.running(engine))
        spool = _spool(engine, settings)
        ledger = Ledger(engine, retention_s=settings.results_retention_h * HOUR_S)
        delivers = pacs is not None and services.mode == "active"
        posts = outbox if services.mode == "active" else None
        steps = Turns(services).steps(Desk(spool, watch, delivers, pacs_settings.policy, along, posts))
        if pacs is not None and delivers:  # what waits for it in the spool of a silent service goes on waiting
            steps.append(_delivery(services, spool, pacs, max_attempts=pacs_settings.max_attempts))
        steps += [] if posts is None else posts.steps
        steps += [] if backlog is None else backlog.steps(spool)
        worker = Worker(spool, ledger, steps, services.metrics)
        worker.start(_chores(engine, settings, delivers=delivers, backlog=backlog))
        stack.push_async_callback(worker.stop)
        yield Intake(spool, ledger, worker, engine, _withdrawals(engine, settings), outbox)


async def _enter(stack: AsyncExitStack, onlookers: Iterator[AbstractAsyncContextManager[None]]) -> None:
    for onlooker in onlookers:
        await stack.enter_async_context(onlooker)


def _chores(
    engine: Engine, settings: DicomwebSettings, *, delivers: bool, backlog: Backlog | None
) -> list[Callable[[], int]]:
    quiet_s = settings.study_quiet_s
    summaries = [Summaries(engine, quiet_s=quiet_s).write_due] if delivers and quiet_s else []
    return summaries if backlog is None else [*summaries, backlog.tidy]


def _withdrawals(engine: Engine, settings: DicomwebSettings) -> Withdrawals:
    return Withdrawals(engine, write_notes=rejection_notes, study_quiet_s=settings.study_quiet_s)


def _spool(engine: Engine, settings: DicomwebSettings) -> Spool:
    return Spool(
        engine,
        capacity=settings.spool_capacity,
        write_notes=rejection_notes,
        study_quiet_s=settings.study_quiet_s,
    )


def _delivery(services: Services, spool: Spool, archive: Archive, *, max_attempts: int) -> Step:
    return Step(
        state="analysed",
        work=partial(deliver, spool=spool, archive=archive, metrics=services.metrics, audit=services.audit),
        at_once=DELIVERIES_AT_ONCE,
        max_attempts=max_attempts,
        count_failure=lambda outcome: services.metrics.pacs_deliveries.labels(outcome).inc(),
        span=around_claims(services.tracing, "deliver to the PACS"),
    )


class Turns:
    """Who may analyse when: films of a backfill one at a time, and none while another film is in the process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._others = 0  # films of the spool that are being read and are not of a backfill

    def steps(self, desk: Desk) -> list[Step]:
        """The analysis of films that somebody waits for, and of films that can wait."""
        return [self._analysis(desk), self._backfill(desk)]

    def _analysis(self, desk: Desk) -> Step:

        async def work(claim: Claim) -> None:
            self._others += 1
            try:
                await analyse(claim, self._services, desk)
            finally:
                self._others -= 1

        return self._step("received", work, self._services.decode.workers, lambda: _can_analyse(self._services))

    def _backfill(self, desk: Desk) -> Step:
        return self._step(BACKFILL, partial(analyse, services=self._services, desk=desk), 1, self._is_idle)

    def _is_idle(self) -> bool:
        services = self._services
        is_free = not self._others and services.admission.idle
        return is_free and all(each.idle for each in services.deployments.live) and _can_analyse(services)

    def _step(
        self, state: str, work: Callable[[Claim], Awaitable[None]], at_once: int, may_start: Callable[[], bool]
    ) -> Step:
        span = around_claims(self._services.tracing, "analyse film")
        return Step(state, work, at_once, max_attempts=ANALYSES, may_start=may_start, hand="analysis", span=span)


def _can_analyse(services: Services) -> bool:
    """Whether a film would get an answer; without a network or an audit log, a claim would be in vain."""
    return bool(services.deployments.live) and services.deployments.alive and services.audit.writable
