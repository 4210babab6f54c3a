"""`POST /dicomweb/studies…`: films by STOW-RS; the answer comes once they are on disk."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from imaging.limits import DecodeLimits
from schemas.errors import NotAcceptableError, UnsupportedMediaTypeError
from service.capacity.admission import Priority
from service.dicomweb.multipart import ONE, read_parts
from service.dicomweb.stow import DICOM_JSON, Outcome, Reception, StoreOptions, answer, headers_of, status_of
from service.http.authorization import Requires, caller_of, origin_of
from service.http.current import CurrentIntake, CurrentServices, optional_surveillance_of
from service.http.errors import REQUEST_FAILURES, documented
from service.http.negotiation import accept_of, negotiate
from service.http.request_body import require_plain_body
from service.http.request_options import PRIORITY_HEADER, AnyCase, DeadlineHeader, RequestOptions, options_within
from service.mime.native_model import MEDIA_TYPE as DICOM_XML
from service.mime.native_model import native_model
from service.services import Services
from service.tracing.span import stage

if TYPE_CHECKING:
    from service.dicomweb.intake import Intake
    from service.surveillance.surveillance import Surveillance

UID_PATTERN: Final = r"^[0-9.]{1,64}$"
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            name: {"schema": {"type": "string", "format": "binary"}}
            for name in ('multipart/related; type="application/dicom"', *ONE)
        },
    }
}
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "description": meaning,
        "content": {DICOM_JSON: {"schema": {"type": "object"}}, DICOM_XML: {"schema": {"type": "string"}}},
    }
    for status, meaning in {
        200: "every instance is stored on disk",
        202: "some instances are stored, or one has a warning; the sequences show which",
        409: "no instance is stored; the sequences show the reasons",
    }.items()
}

StorePriority = Annotated[
    AnyCase,
    Header(alias=PRIORITY_HEADER, description="of all instances; default: what each states itself (docs/pacs.md)"),
]
Study = Annotated[str, Path(pattern=UID_PATTERN, description="StudyInstanceUID that all instances must have")]

router = APIRouter(prefix="/dicomweb", tags=["dicomweb"], dependencies=[Depends(Requires("dicom"))])
documentation: Final[dict[str, Any]] = {
    "responses": ANSWERS | documented(*REQUEST_FAILURES, NotAcceptableError, UnsupportedMediaTypeError),
    "response_class": Response,
    "openapi_extra": BODY,
}


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A request to store instances, before its body is read."""

    request: Request
    services: Services
    intake: "Intake"
    options: RequestOptions
    """Until when the body has to arrive; its priority means nothing here."""
    priority: Priority | None
    surveillance: "Surveillance | None"


async def store_request_of(
    request: Request,
    services: CurrentServices,
    intake: CurrentIntake,
    priority: StorePriority = None,
    deadline_ms: DeadlineHeader = None,
) -> StoreRequest:
    """Read the headers."""
    options = options_within(request, deadline_ms)
    return StoreRequest(request, services, intake, options, priority, await optional_surveillance_of(request))


CurrentStoreRequest = Annotated[StoreRequest, Depends(store_request_of)]


@router.post(
    "/studies", operation_id="store_instances", summary="Store images (STOW-RS) to be analysed", **documentation
)
async def store_instances(store: CurrentStoreRequest) -> Response:
    """DICOM PS3.18 10.5: multipart/related in, the status of each instance out, as DICOM JSON or XML by `Accept`.

    One instance may be the body itself, declared as application/dicom or application/octet-stream.
    """
    return await _store(store)


@router.post(
    "/studies/{study}",
    operation_id="store_study_instances",
    summary="Store images (STOW-RS) of one study",
    **documentation,
)
async def store_instances_of_study(store: CurrentStoreRequest, study: Study) -> Response:
    """As without a study; instances of another study fail with the reason A900."""
    return await _store(store, study)


async def _store(store: StoreRequest, study: str | None = None) -> Response:
    services = store.services
    headers = store.request.headers
    media_type = negotiate(accept_of(store.request), (DICOM_JSON, DICOM_XML))
    require_plain_body(store.request)
    with services.hold() as bundles:  # not while the body arrives: no network is asked here
        model_sha256 = bundles.digest
    async with store.options.deadline(services.metrics):
        with stage("upload"):
            contents = await read_parts(
                store.request.stream(), headers.get("Content-Type", ""), at_most=services.limits.max_batch_items
            )
    await services.gate.count(caller_of(store.request), len(contents))
    limits = DecodeLimits(max_pixels=services.limits.max_pixels)
    watch = store.surveillance
    assess = None if watch is None else partial(watch.assess, facts=origin_of(store.request).facts)
    options = StoreOptions(study, store.priority)
    reception = Reception(store.intake.spool, limits, model_sha256, options, assess)
    outcomes = await asyncio.to_thread(reception.store, contents)
    store.intake.worker.wake()
    if watch is not None and any(outcome.is_assessment for outcome in outcomes):
        await watch.settle()
    for outcome in outcomes:
        services.metrics.stow_instances.labels(outcome.code).inc()
    if services.audit.on:
        await _record(store, contents, outcomes)
    dataset = answer(outcomes)
    body = native_model(dataset) if media_type == DICOM_XML else json.dumps(dataset)
    return Response(body, status_of(outcomes), headers_of(outcomes), media_type)


async def _record(store: StoreRequest, contents: Sequence[bytes], outcomes: Sequence[Outcome]) -> None:
    facts = origin_of(store.request).facts
    digests = await asyncio.to_thread(lambda: [sha256(content).hexdigest() for content in contents])
    record = partial(store.services.audit.record, "stored", **facts)
    await asyncio.gather(
        *(
            record(film_sha256=digest, outcome=outcome.code, study_instance_uid=_study_of(outcome))
            for digest, outcome in zip(digests, outcomes, strict=True)
        )
    )


def _study_of(outcome: Outcome) -> str | None:
    return None if outcome.instance is None else outcome.instance.study_instance_uid
