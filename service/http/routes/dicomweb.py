"""`POST /dicomweb/studies…`: films by STOW-RS; the answer comes once they are on disk."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from imaging.limits import DecodeLimits
from schemas.errors import NotAcceptableError, UnsupportedMediaTypeError
from service.audit.accounts import asked_by
from service.capacity.admission import Priority
from service.dicomweb.intake import CurrentIntake, Intake
from service.dicomweb.multipart import read_parts
from service.dicomweb.stow import DICOM_JSON, Reception, Terms, answer, headers_of, status_of
from service.http.errors import REQUEST_FAILURES, documented
from service.http.negotiation import negotiate
from service.http.request_options import Terms as CallersTerms
from service.http.request_options import terms_of
from service.security.authentication import Requires
from service.services import CurrentService, Service

UID_PATTERN: Final = r"^[0-9.]{1,64}$"
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {'multipart/related; type="application/dicom"': {"schema": {"type": "string", "format": "binary"}}},
    }
}
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": meaning, "content": {DICOM_JSON: {"schema": {"type": "object"}}}}
    for status, meaning in {
        200: "every instance is on disk",
        202: "some are, or with a warning; the sequences say which",
        409: "none is; the sequences say why",
    }.items()
}

Urgency = Annotated[
    Priority | SkipJsonSchema[None],  # absent, but never null
    Header(alias="X-Priority", description="of all instances; default: what each says itself (docs/pacs.md)"),
]
AllowedMs = Annotated[
    Annotated[int, Field(ge=1, le=600_000)] | SkipJsonSchema[None],  # absent, but never null
    Header(
        alias="X-Deadline-Ms", description="give up with 504 where the body has not arrived in so many milliseconds"
    ),
]
Study = Annotated[str, Path(pattern=UID_PATTERN, description="StudyInstanceUID that all instances must have")]

router = APIRouter(prefix="/dicomweb", tags=["DICOMweb"], dependencies=[Depends(Requires("dicom"))])
documentation: Final[dict[str, Any]] = {
    "responses": ANSWERS | documented(*REQUEST_FAILURES, NotAcceptableError, UnsupportedMediaTypeError),
    "response_class": Response,
    "openapi_extra": BODY,
}


@dataclass(frozen=True, slots=True)
class Sender:
    """What the sender says beside the films."""

    waits: CallersTerms
    """Until when the body has to arrive; its priority means nothing here."""
    priority: Priority | None


async def sender_of(
    request: Request, service: CurrentService, priority: Urgency = None, deadline_ms: AllowedMs = None
) -> Sender:
    """Read the headers."""
    return Sender(await terms_of(request, service, deadline_ms=deadline_ms), priority)


CurrentSender = Annotated[Sender, Depends(sender_of)]


@router.post("/studies", summary="Store films (STOW-RS) to be analysed", **documentation)
async def store_instances(
    request: Request, service: CurrentService, intake: CurrentIntake, sender: CurrentSender
) -> Response:
    """DICOM PS3.18 10.5: multipart/related in, the status of each instance out as DICOM JSON."""
    return await _store(request, service, intake, sender)


@router.post("/studies/{study}", summary="Store films (STOW-RS) of one study", **documentation)
async def store_instances_of_study(
    request: Request, service: CurrentService, intake: CurrentIntake, sender: CurrentSender, study: Study
) -> Response:
    """As without a study; instances of another study fail with the reason A900."""
    return await _store(request, service, intake, sender, study)


async def _store(
    request: Request, service: Service, intake: Intake, sender: Sender, study: str | None = None
) -> Response:
    negotiate(request.headers.get("Accept", ""), (DICOM_JSON,))
    with service.hold() as serving:  # not while the body arrives: its network is not asked here
        model_sha256 = serving.loaded.reference.sha256
    async with sender.waits.deadline(service.metrics):
        contents = await read_parts(
            request.stream(),
            request.headers.get("Content-Type", ""),
            at_most=service.settings.max_batch_items,
            max_body_bytes=service.settings.max_body_bytes,
        )
    service.gate.count(request.state.caller, len(contents))
    limits = DecodeLimits(max_pixels=service.settings.max_pixels)
    reception = Reception(intake.spool, limits, model_sha256, Terms(study, sender.priority))
    outcomes = await asyncio.to_thread(reception.store, contents)
    intake.worker.wake()
    for outcome in outcomes:
        service.metrics.stow_instances.labels(outcome.code).inc()
    if service.audit.on:
        await _record(request, service, contents, [outcome.code for outcome in outcomes])
    return Response(json.dumps(answer(outcomes)), status_of(outcomes), headers_of(outcomes), DICOM_JSON)


async def _record(request: Request, service: Service, contents: Sequence[bytes], codes: Sequence[str]) -> None:
    facts = asked_by(request).facts
    digests = await asyncio.to_thread(lambda: [sha256(content).hexdigest() for content in contents])
    films = zip(digests, codes, strict=True)
    await asyncio.gather(
        *(service.audit.record("stored", **facts, film_sha256=digest, outcome=code) for digest, code in films)
    )
