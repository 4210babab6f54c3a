"""What the routes find in the app that answers a request: the one place that knows the names in `app.state`."""

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, Request

from schemas.errors import NotFoundError
from service.services import Services

if TYPE_CHECKING:  # what is switched off is not loaded: see service.onlookers
    from service.challenger.reader import Challenger
    from service.dicomweb.intake import Intake
    from service.jobs.jobs import Jobs
    from service.surveillance.surveillance import Surveillance


def set_services(api: FastAPI, services: Services) -> None:
    """Let the routes of `api` find the services."""
    api.state.services = services
    api.state.intake = None
    api.state.challenger = None
    api.state.surveillance = None
    api.state.jobs = None


def set_intake(
    api: FastAPI,
    intake: "Intake | None",
    surveillance: "Surveillance | None" = None,
    challenger: "Challenger | None" = None,
    jobs: "Jobs | None" = None,
) -> None:
    """Let the routes of `api` find the intake of DICOMweb, None where it is switched off, and who looks after it."""
    api.state.challenger = challenger
    api.state.intake = intake
    api.state.surveillance = surveillance
    api.state.jobs = jobs


def services_in(request: Request) -> Services:
    """The services of the app, for what every film asks: FastAPI would go through the dependency again for each."""
    services: Services = request.app.state.services
    return services


async def services_of(request: Request) -> Services:
    """The services of the app; async, because FastAPI runs other dependencies in a thread."""
    return services_in(request)


def is_alive(api: FastAPI) -> bool:
    """Whether every loop still turns; if not, only a restart helps."""
    services: Services = api.state.services
    intake: Intake | None = api.state.intake
    return services.deployments.alive and (intake is None or intake.worker.alive)


async def optional_intake_of(request: Request) -> "Intake | None":
    """The intake of the app; None where DICOMweb is switched off."""
    intake: Intake | None = request.app.state.intake
    return intake


async def intake_of(request: Request) -> "Intake":
    """The intake of the app.

    Raises:
        NotFoundError: DICOMweb is switched off.
    """
    intake = await optional_intake_of(request)
    if intake is None:
        msg = "DICOMweb is switched off here; the operator switches it on with CXR_DICOMWEB=true"
        raise NotFoundError(msg)
    return intake


async def jobs_of(request: Request) -> "Jobs":
    """The jobs of the app.

    Raises:
        NotFoundError: DICOMweb is switched off.
    """
    jobs: Jobs | None = request.app.state.jobs
    if jobs is None:
        msg = "jobs need the spool of DICOMweb, which is switched off here; the operator sets CXR_DICOMWEB=true"
        raise NotFoundError(msg)
    return jobs


async def optional_challenger_of(request: Request) -> "Challenger | None":
    """The bundle that reads along; None where there is none."""
    challenger: Challenger | None = request.app.state.challenger
    return challenger


async def challenger_of(request: Request) -> "Challenger":
    """The bundle that reads along.

    Raises:
        NotFoundError: there is none.
    """
    challenger = await optional_challenger_of(request)
    if challenger is None:
        msg = "no challenger reads along here; the operator names one with CXR_CHALLENGER"
        raise NotFoundError(msg)
    return challenger


async def optional_surveillance_of(request: Request) -> "Surveillance | None":
    """What looks after the answers; None where DICOMweb is switched off."""
    surveillance: Surveillance | None = request.app.state.surveillance
    return surveillance


async def surveillance_of(request: Request) -> "Surveillance":
    """What looks after the answers.

    Raises:
        NotFoundError: DICOMweb is switched off.
    """
    surveillance = await optional_surveillance_of(request)
    if surveillance is None:
        msg = "nothing is monitored here, as there is no spool; the operator switches it on with CXR_DICOMWEB=true"
        raise NotFoundError(msg)
    return surveillance


CurrentServices = Annotated[Services, Depends(services_of)]
CurrentIntake = Annotated["Intake", Depends(intake_of)]
CurrentSurveillance = Annotated["Surveillance", Depends(surveillance_of)]
OptionalSurveillance = Annotated["Surveillance | None", Depends(optional_surveillance_of)]
OptionalIntake = Annotated["Intake | None", Depends(optional_intake_of)]
CurrentChallenger = Annotated["Challenger", Depends(challenger_of)]
OptionalChallenger = Annotated["Challenger | None", Depends(optional_challenger_of)]
CurrentJobs = Annotated["Jobs", Depends(jobs_of)]
