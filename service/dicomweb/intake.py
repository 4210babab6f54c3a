"""What DICOMweb needs in addition to the services: spool, ledger and worker, opened and closed with the app."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Engine

from service.dicomweb.analysis import Desk, ReadsAlong, Watch, analyse
from service.dicomweb.delivery import Outbox, deliver
from service.dicomweb.history.notes import rejection_notes
from service.dicomweb.history.summaries import Summaries
from service.dicomweb.history.withdrawals import Withdrawals
from service.dicomweb.ledger import Ledger
from service.dicomweb.pacs import Archive
from service.dicomweb.spool import Spool
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

    def running(self, engine: Engine) -> Iterator[AbstractAsyncContextManager[None]]:
        """Those that there are; the outbox before the watch, which may have something to announce at once."""
        if self.outbox is not None:
            yield self.outbox.running(engine)
        if self.watch is not None:
            yield self.watch.running(engine)
        if self.along is not None:
            yield self.along.reading(engine)


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
    watch, along, outbox = onlookers.watch, onlookers.along, onlookers.outbox
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(open_database(settings.spool_url))
        pacs = await stack.enter_async_context(open_archive(pacs_settings, engine))
        for onlooker in onlookers.running(engine):
            await stack.enter_async_context(onlooker)
        spool = _spool(engine, settings)
        ledger = Ledger(engine, retention_s=settings.results_retention_h * HOUR_S)
        delivers = pacs is not None and services.mode == "active"
        posts = outbox if services.mode == "active" else None
        steps = [_analysis(services, Desk(spool, watch, delivers, pacs_settings.policy, along, posts))]
        if pacs is not None and delivers:  # what waits for it in the spool of a silent service goes on waiting
            steps.append(_delivery(services, spool, pacs, max_attempts=pacs_settings.max_attempts))
        steps += [] if posts is None else posts.steps
        worker = Worker(spool, ledger, steps, services.metrics)
        worker.start(_chores(engine, settings) if delivers else ())
        stack.push_async_callback(worker.stop)
        yield Intake(spool, ledger, worker, engine, _withdrawals(engine, settings), outbox)


def _chores(engine: Engine, settings: DicomwebSettings) -> list[Callable[[], int]]:
    return [Summaries(engine, quiet_s=settings.study_quiet_s).write_due] if settings.study_quiet_s else []


def _withdrawals(engine: Engine, settings: DicomwebSettings) -> Withdrawals:
    return Withdrawals(engine, write_notes=rejection_notes, study_quiet_s=settings.study_quiet_s)


def _spool(engine: Engine, settings: DicomwebSettings) -> Spool:
    return Spool(
        engine,
        capacity=settings.spool_capacity,
        write_notes=rejection_notes,
        study_quiet_s=settings.study_quiet_s,
    )


def _analysis(services: Services, desk: Desk) -> Step:
    return Step(
        state="received",
        work=partial(analyse, services=services, desk=desk),
        at_once=services.decode.workers,
        max_attempts=ANALYSES,
        may_start=lambda: _can_analyse(services),
        span=around_claims(services.tracing, "analyse film"),
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


def _can_analyse(services: Services) -> bool:
    """Whether a film would get an answer; without a network or an audit log, a claim would be in vain."""
    return bool(services.deployments.live) and services.deployments.alive and services.audit.writable
