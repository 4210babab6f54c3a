"""`GET /models…`: which bundles are there, and what each says about itself."""

from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response

from bundle.opening import Bundle
from schemas.api import KnownModel, ModelList
from schemas.errors import BundleError, InvalidParameterError, NotAcceptableError, NotFoundError, NotReadyError
from schemas.model.manifest import MODEL_CARD, BundleManifest
from service.http.errors import GATE_FAILURES, documented
from service.http.negotiation import negotiate
from service.models.registry import BundleAddress
from service.security.authentication import Requires
from service.services import CurrentService

JSON: Final = "application/json"
MARKDOWN: Final = "text/markdown"
BOTH: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "the manifest, or the model card", "content": {MARKDOWN: {"schema": {"type": "string"}}}}
}

router = APIRouter(prefix="/models", tags=["models"], dependencies=[Depends(Requires("predict"))])


@router.get("", summary="The bundles of the models directory", responses=documented(*GATE_FAILURES))
def list_models(service: CurrentService) -> ModelList:
    """By name and then from the oldest version to the newest."""
    serving = service.deployment.serving
    in_use = None if serving is None else serving.address
    backend = None if serving is None else serving.loaded.explanations.backend
    precision = service.settings.precision
    refused = service.deployment.refused
    known = service.registry.known()
    return ModelList(
        models=tuple(
            KnownModel(
                name=address.name,
                version=address.version,
                serving=address == in_use,
                precision=precision if address == in_use else None,
                refused=refused.get(address),
                explain_backend=backend if address == in_use else None,
            )
            for address in known
        )
    )


@router.get(
    "/current",
    summary="The bundle that serves",
    response_model=BundleManifest,
    responses=BOTH | documented(*GATE_FAILURES, NotReadyError, NotAcceptableError, BundleError),
)
def current_model(request: Request, service: CurrentService) -> Response:
    """Its manifest as JSON, or by `Accept: text/markdown` its model card, unless that was altered since it was loaded."""
    return _described(request, service.deployment.ready().loaded.bundle)


@router.get(
    "/{name}/{version}",
    summary="One bundle",
    response_model=BundleManifest,
    responses=BOTH | documented(*GATE_FAILURES, NotFoundError, NotAcceptableError, BundleError, InvalidParameterError),
)
def one_model(request: Request, service: CurrentService, name: str, version: str) -> Response:
    """Its manifest as JSON, or by `Accept: text/markdown` its model card; every hash is checked first."""
    return _described(request, service.registry.open(BundleAddress(name, version)))


def _described(request: Request, bundle: Bundle) -> Response:
    if negotiate(request.headers.get("Accept", ""), (JSON, MARKDOWN)) == MARKDOWN:
        return Response(bundle.read(MODEL_CARD), media_type=MARKDOWN)
    return Response(bundle.manifest.model_dump_json(), media_type=JSON)
