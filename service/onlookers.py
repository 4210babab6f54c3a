"""Who sees films and answers in addition to their caller: spool and PACS, destinations, surveillance, the challenger.

`service.app` imports this module where one of them is switched on, and no other way leads to them: with highdicom,
pynetdicom, SQLAlchemy and httpx2 they take a third of the imports' time and 32 MB.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from service.challenger.reader import Challenger, challenger_of
from service.destinations.deliveries import deliveries_of
from service.dicomweb.intake import Intake, Onlookers, open_intake
from service.dimse.archive import open_archive
from service.jobs.jobs import Jobs
from service.services import Services
from service.settings import Settings
from service.surveillance.surveillance import Surveillance


@dataclass(frozen=True, slots=True)
class Opened:
    """Those that there are."""

    intake: Intake | None
    surveillance: Surveillance | None
    challenger: Challenger | None
    jobs: Jobs | None


@asynccontextmanager
async def open_onlookers(services: Services, settings: Settings) -> AsyncIterator[Opened]:
    """Open what the settings switch on.

    Raises:
        SettingsError: the spool, the PACS or a file of the settings cannot be opened.
    """
    along = challenger_of(services, settings.trial)
    deliveries = deliveries_of(settings.dicomweb, settings.dimse, services)
    surveillance = Surveillance(services, settings.surveillance, announce=deliveries.announce)
    announce, may_notify = deliveries.announce_job, deliveries.takes_jobs
    jobs = Jobs(services, settings.jobs, settings.pacs, announce=announce, may_notify=may_notify)
    onlookers = Onlookers(surveillance, along, deliveries, jobs)
    opener = partial(open_archive, settings.dimse)
    async with open_intake(services, settings.dicomweb, settings.pacs, opener, onlookers) as intake:
        is_open = intake is not None
        yield Opened(intake, surveillance if is_open else None, along, jobs if is_open else None)
