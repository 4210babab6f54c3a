"""`GET /v2…`: the server, its health, and what its bundles take and give."""

from typing import Any, Final

from fastapi import APIRouter, Depends

from schemas.bodies.inference_protocol import (
    InferError,
    LiveState,
    ModelMetadata,
    ModelState,
    ReadyState,
    ServerMetadata,
)
from schemas.errors import AuditUnavailableError, CxrError, InvalidParameterError, NotFoundError, NotReadyError
from schemas.version import VERSION
from service.capacity.admission import draining
from service.http.authorization import Requires
from service.http.current import CurrentServices, OptionalIntake
from service.http.errors import GATE_FAILURES, documented
from service.http.routes.inference_protocol.contract import metadata_of
from service.http.routes.operations import livez, readyz
from service.models.live import LiveBundle
from service.services import Services

SERVER: Final = "cxr"
EXTENSIONS: Final = ("binary_tensor_data",)

router = APIRouter(prefix="/v2", tags=["inference"])
READING: Final = [Depends(Requires("predict", reads=True))]


def failures(*kinds: type[CxrError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of an operation that may fail so, in the words of the protocol."""
    return {
        status: {"description": response["description"], "model": InferError}
        | ({"headers": response["headers"]} if "headers" in response else {})
        for status, response in documented(*kinds).items()
    }


NAMED_FAILURES: Final = (*GATE_FAILURES, NotFoundError, NotReadyError, InvalidParameterError)
NAMED: Final = failures(*NAMED_FAILURES)


@router.get(
    "",
    dependencies=READING,
    operation_id="get_inference_server",
    summary="The server, in the Open Inference Protocol",
    responses=failures(*GATE_FAILURES),
)
async def server() -> ServerMetadata:
    """Its name, version and extensions of the protocol."""
    return ServerMetadata(name=SERVER, version=VERSION, extensions=EXTENSIONS)


@router.get(
    "/health/live",
    operation_id="check_inference_liveness",
    summary="Whether the process is alive, in the Open Inference Protocol",
    responses=failures(NotReadyError),
)
async def live(services: CurrentServices, intake: OptionalIntake) -> LiveState:
    """As `GET /livez`: 503 where only a restart helps."""
    await livez(services, intake)
    return LiveState(live=True)


@router.get(
    "/health/ready",
    operation_id="check_inference_readiness",
    summary="Whether the service can answer, in the Open Inference Protocol",
    responses=failures(NotReadyError, AuditUnavailableError),
)
async def ready(services: CurrentServices) -> ReadyState:
    """As `GET /readyz`: 503 while no bundle answers, and while draining."""
    await readyz(services)
    return ReadyState(ready=True)


@router.get(
    "/models/{name}",
    dependencies=READING,
    operation_id="get_inference_model",
    summary="What a bundle takes and gives",
    responses=NAMED,
)
async def model(services: CurrentServices, name: str) -> ModelMetadata:
    """Its tensors; `parameters` states how an image is prepared, and what is not checked of one."""
    return metadata_of(serving_bundle(services, services.deployments.ready(), name, None).loaded)


@router.get(
    "/models/{name}/versions/{version}",
    dependencies=READING,
    operation_id="get_inference_model_version",
    summary="What a version of a bundle takes and gives",
    responses=NAMED,
)
async def model_version(services: CurrentServices, name: str, version: str) -> ModelMetadata:
    """As without a version; 404 for one that does not serve."""
    return metadata_of(serving_bundle(services, services.deployments.ready(), name, version).loaded)


@router.get(
    "/models/{name}/ready",
    dependencies=READING,
    operation_id="check_inference_model",
    summary="Whether a bundle answers",
    responses=NAMED,
)
async def model_ready(services: CurrentServices, name: str) -> ModelState:
    """503 where its network does not end, and while draining; 404 where no bundle of this name serves."""
    return _state(services, name, None)


@router.get(
    "/models/{name}/versions/{version}/ready",
    dependencies=READING,
    operation_id="check_inference_model_version",
    summary="Whether a version of a bundle answers",
    responses=NAMED,
)
async def model_version_ready(services: CurrentServices, name: str, version: str) -> ModelState:
    """As without a version; 404 for one that does not serve."""
    return _state(services, name, version)


def serving_bundle(services: Services, live: tuple[LiveBundle, ...], name: str, version: str | None) -> LiveBundle:
    """The bundle of this name and version; the protocol's client names one, so none is chosen by the film.

    Raises:
        NotFoundError: it does not serve.
        NotReadyError: it ought to, and is not loaded.
    """
    found = next((each for each in live if each.address.name == name), None)
    if found is None and name in services.deployments.by_name:
        msg = "the bundle of this name is not loaded yet, or could not be; GET /readyz names the fault"
        raise NotReadyError(msg)
    served = ", ".join(str(each.address) for each in live)
    if found is None or version not in (None, found.address.version):
        msg = f"no bundle of this name and version serves; there are {served}"
        raise NotFoundError(msg)
    return found


def _state(services: Services, name: str, version: str | None) -> ModelState:
    serving_bundle(services, services.deployments.ready(), name, version)
    by_name = services.deployments.by_name
    by_name.get(name, services.deployments.first).check_network()
    services.audit.check()
    if services.admission.draining:
        raise draining()
    return ModelState(name=name, ready=True)
