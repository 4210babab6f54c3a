"""What DICOMweb needs beside the service: the spool, its ledger and the worker, opened and closed with the app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Request

from schemas.errors import NotFoundError
from service.dicomweb.analysis import analyse
from service.dicomweb.delivery import deliver
from service.dicomweb.ledger import Ledger
from service.dicomweb.pacs import Archive, open_pacs
from service.dicomweb.spool import Spool
from service.dicomweb.tables import open_database
from service.dicomweb.worker import Lane, Worker
from service.services import Service

ANALYSES: Final = 5
"""Attempts to analyse a film that no check refused: a failing network is a defect, and so is a film that ends the process."""
DELIVERIES_AT_ONCE: Final = 2
HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Intake:
    """The parts that the routes use."""

    spool: Spool
    ledger: Ledger
    worker: Worker


@asynccontextmanager
async def open_intake(service: Service) -> AsyncIterator[Intake | None]:
    """Open the spool and begin to empty it; None where DICOMweb is switched off.

    Raises:
        SettingsError: the spool or the PACS of the settings cannot be opened.
    """
    settings = service.settings
    if not settings.dicomweb:
        yield None
        return
    async with open_pacs(settings) as pacs:
        with open_database(settings.spool_url) as engine:
            spool = Spool(engine, capacity=settings.spool_capacity)
            ledger = Ledger(engine, retention_s=settings.results_retention_h * HOUR_S)
            worker = Worker(spool, ledger, _lanes(service, spool, pacs), service.metrics)
            worker.start()
            try:
                yield Intake(spool, ledger, worker)
            finally:
                await worker.stop()


def _lanes(service: Service, spool: Spool, archive: Archive | None) -> list[Lane]:
    settings = service.settings
    analysis = Lane(
        state="received",
        work=partial(analyse, service=service, spool=spool, keep_objects=archive is not None),
        at_once=settings.decode_workers,
        max_attempts=ANALYSES,
        may_start=lambda: _can_analyse(service),
    )
    if archive is None:
        return [analysis]
    delivery = Lane(
        state="analysed",
        work=partial(deliver, spool=spool, archive=archive, metrics=service.metrics),
        at_once=DELIVERIES_AT_ONCE,
        max_attempts=settings.pacs_max_attempts,
    )
    return [analysis, delivery]


def _can_analyse(service: Service) -> bool:
    """Whether a film would get an answer: one that is claimed without a network, or without a log, is claimed in vain."""
    deployment = service.deployment
    return deployment.serving is not None and deployment.alive and service.audit.writable


def intake_of(request: Request) -> Intake:
    """The intake of the app that answers `request`.

    Raises:
        NotFoundError: DICOMweb is switched off.
    """
    intake: Intake | None = request.app.state.intake
    if intake is None:
        msg = "DICOMweb is switched off here; the operator switches it on with CXR_DICOMWEB=true"
        raise NotFoundError(msg)
    return intake


CurrentIntake = Annotated[Intake, Depends(intake_of)]
