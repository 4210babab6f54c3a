"""What the routes find in the app that answers a request: the one place that knows the names in `app.state`."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from schemas.errors import NotFoundError
from service.challenger.reader import Challenger
from service.dicomweb.intake import Intake
from service.services import Services


def set_services(api: FastAPI, services: Services) -> None:
    """Let the routes of `api` find the services."""
    api.state.services = services
    api.state.intake = None
    api.state.challenger = None


def set_intake(api: FastAPI, intake: Intake | None, challenger: Challenger | None = None) -> None:
    """Let the routes of `api` find the intake of DICOMweb, None where it is switched off, and who reads along."""
    api.state.intake = intake
    api.state.challenger = challenger


async def services_of(request: Request) -> Services:
    """The services of the app; async, because FastAPI runs other dependencies in a thread."""
    services: Services = request.app.state.services
    return services


async def optional_intake_of(request: Request) -> Intake | None:
    """The intake of the app; None where DICOMweb is switched off."""
    intake: Intake | None = request.app.state.intake
    return intake


async def intake_of(request: Request) -> Intake:
    """The intake of the app.

    Raises:
        NotFoundError: DICOMweb is switched off.
    """
    intake = await optional_intake_of(request)
    if intake is None:
        msg = "DICOMweb is switched off here; the operator switches it on with CXR_DICOMWEB=true"
        raise NotFoundError(msg)
    return intake


async def optional_challenger_of(request: Request) -> Challenger | None:
    """The bundle that reads along; None where there is none."""
    challenger: Challenger | None = request.app.state.challenger
    return challenger


async def challenger_of(request: Request) -> Challenger:
    """The bundle that reads along.

    Raises:
        NotFoundError: there is none.
    """
    challenger = await optional_challenger_of(request)
    if challenger is None:
        msg = "no challenger reads along here; the operator names one with CXR_CHALLENGER"
        raise NotFoundError(msg)
    return challenger


CurrentServices = Annotated[Services, Depends(services_of)]
CurrentIntake = Annotated[Intake, Depends(intake_of)]
OptionalIntake = Annotated[Intake | None, Depends(optional_intake_of)]
CurrentChallenger = Annotated[Challenger, Depends(challenger_of)]
OptionalChallenger = Annotated[Challenger | None, Depends(optional_challenger_of)]
