"""`GET /models…`: the bundles of the models directory, their manifests and model cards."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response

from bundle.opening import Bundle
from schemas.errors import BundleError, InvalidParameterError, NotAcceptableError, NotFoundError, NotReadyError
from schemas.model.manifest import MODEL_CARD, BundleManifest
from schemas.serving import KnownModel, ModelList, RoutedBundle
from schemas.version import VERSION
from service.http.authorization import Requires
from service.http.current import CurrentServices
from service.http.errors import GATE_FAILURES, documented
from service.http.negotiation import accept_of, negotiate
from service.models.live import LiveBundle
from service.models.registry import BundleAddress
from service.models.swap import Deployment

JSON: Final = "application/json"
MARKDOWN: Final = "text/markdown"
BOTH: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "the manifest, or the model card", "content": {MARKDOWN: {"schema": {"type": "string"}}}}
}

router = APIRouter(prefix="/models", tags=["models"], dependencies=[Depends(Requires("predict", reads=True))])


@router.get(
    "", operation_id="list_models", summary="The bundles of the models directory", responses=documented(*GATE_FAILURES)
)
async def list_models(services: CurrentServices) -> ModelList:
    """By name and then from the oldest version to the newest."""
    addresses = await asyncio.to_thread(services.registry.known)
    loaded = {each.address: each for each in services.deployments.live}
    refused = services.deployments.refused
    faults = services.deployments.faults
    return ModelList(
        models=tuple(_known(address, loaded.get(address), refused.get(address)) for address in addresses),
        routing=tuple(
            _routed(name, deployment, faults.get(name)) for name, deployment in services.deployments.by_name.items()
        ),
        store=None if services.store is None else services.store.state(),
        software_version=VERSION,
    )


@router.get(
    "/current",
    operation_id="get_current_model",
    summary="The bundle that serves",
    response_model=BundleManifest,
    responses=BOTH | documented(*GATE_FAILURES, NotReadyError, NotAcceptableError, BundleError),
)
def current_model(request: Request, services: CurrentServices) -> Response:
    """Its manifest as JSON, or by `Accept: text/markdown` its model card; 409 where that was altered after loading.

    Of several bundles the preferred one.
    """
    return _described(request, services.deployments.ready()[0].loaded.bundle)


@router.get(
    "/{name}/{version}",
    operation_id="get_model",
    summary="One bundle",
    response_model=BundleManifest,
    responses=BOTH | documented(*GATE_FAILURES, NotFoundError, NotAcceptableError, BundleError, InvalidParameterError),
)
def one_model(request: Request, services: CurrentServices, name: str, version: str) -> Response:
    """Its manifest as JSON, or by `Accept: text/markdown` its model card; every hash is checked first."""
    return _described(request, services.registry.open(BundleAddress(name, version)))


def _known(address: BundleAddress, live: LiveBundle | None, refused: str | None) -> KnownModel:
    """One bundle of the list; `live` where it serves."""
    in_use = None if live is None else live.loaded
    manifest = None if in_use is None else in_use.manifest
    return KnownModel(
        name=address.name,
        version=address.version,
        serving=in_use is not None,
        precision=None if in_use is None else in_use.precision,
        refused=refused,
        explain_backend=None if in_use is None else in_use.explanations.backend,
        activation=None if manifest is None else manifest.activation,
        findings=None if manifest is None else manifest.findings,
        population=None if manifest is None else manifest.population,
        traits=None if manifest is None or manifest.guide is None else manifest.guide.traits,
        engine=None if live is None else live.engine_choice,
        tuning=None if in_use is None else in_use.tuning,
        site=None if in_use is None or in_use.site is None else in_use.site.profile,
    )


def _routed(name: str, deployment: Deployment, fault: str | None) -> RoutedBundle:
    """One of the bundles that ought to serve."""
    manifest = None if deployment.live is None else deployment.live.loaded.manifest
    return RoutedBundle(
        name=name or (None if manifest is None else manifest.name),
        version=None if manifest is None else manifest.version,
        population=None if manifest is None else manifest.population,
        guided=manifest is not None and manifest.guide is not None,
        fault=fault,
    )


def _described(request: Request, bundle: Bundle) -> Response:
    if negotiate(accept_of(request), (JSON, MARKDOWN)) == MARKDOWN:
        return Response(bundle.read(MODEL_CARD), media_type=MARKDOWN)
    return Response(bundle.manifest.model_dump_json(), media_type=JSON)
