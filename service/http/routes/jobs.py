"""`/jobs`: large backfills; films that are read while nothing else is to be done."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import ValidationError
from pydantic.json_schema import SkipJsonSchema

from schemas.bodies.jobs import Job, JobFilmList, JobFilmState, JobList, JobRequest, JobSource, cursor_number
from schemas.errors import (
    BodyTooLargeError,
    IdempotencyKeyReusedError,
    InvalidParameterError,
    MalformedRequestError,
    NotFoundError,
    SpoolFullError,
    SpoolUnavailableError,
    UnsupportedMediaTypeError,
)
from service.audit.accounts import audited_action
from service.http.authorization import Requires, caller_of, origin_of
from service.http.current import CurrentJobs, CurrentServices, intake_of
from service.http.errors import GATE_FAILURES, REQUEST_FAILURES, documented
from service.http.idempotency import REPLAYED, REPLAYED_HEADER, KeyHeader, key_text
from service.http.request_body import require_plain_body
from service.http.silence import CurrentAudience
from service.jobs.archive import TYPES
from service.jobs.asked import Asked, Created

if TYPE_CHECKING:  # what is switched off is not loaded: see service.onlookers
    from service.jobs.jobs import Jobs

JSON: Final = "application/json"
LARGEST: Final = 2**62
"""Of a body, for the framework; the limits are those of an archive, and of any body for a list."""
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/JobRequest"}},
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in TYPES},
        },
    }
}
ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {202: REPLAYED[200]}
KNOWN: Final = documented(*GATE_FAILURES, NotFoundError, InvalidParameterError, SpoolUnavailableError)

JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="`id` of the job")]
Cursor = Annotated[str | SkipJsonSchema[None], Query(description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=1000, description="entries of a page")]
Notify = Annotated[
    str | SkipJsonSchema[None],
    Query(pattern="^[a-z0-9-]{1,32}$", description="of an archive: as `notify` in the body of a list"),
]
State = Annotated[JobFilmState | SkipJsonSchema[None], Query(description="only films in this state")]

router = APIRouter(prefix="/jobs", tags=["jobs"])
READING: Final = [Depends(Requires("dicom", reads=True))]
WRITING: Final = [Depends(Requires("dicom"))]


async def asked_of(request: Request, key: KeyHeader = None, notify: Notify = None) -> Asked:
    """What address and headers state of a new job.

    Raises:
        InvalidParameterError: the Idempotency-Key is not one.
    """
    return Asked(caller_of(request).identity, "", "archive", key_text(request, key), notify=notify)


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list is asked for."""

    after: int | None
    limit: int


async def page_of(cursor: Cursor = None, limit: Limit = 100) -> Page:
    """Read the parameters.

    Raises:
        InvalidParameterError: the cursor is none.
    """
    return Page(cursor_number(cursor), limit)


CurrentPage = Annotated[Page, Depends(page_of)]


@router.post(
    "",
    dependencies=WRITING,
    operation_id="create_job",
    summary="Read many films while nothing else is to be done",
    status_code=202,
    responses=ACCEPTED
    | documented(
        *REQUEST_FAILURES,
        NotFoundError,
        UnsupportedMediaTypeError,
        SpoolFullError,
        SpoolUnavailableError,
        IdempotencyKeyReusedError,
    ),
    openapi_extra=BODY,
    max_body_size=LARGEST,
)
async def create_job(
    request: Request,
    response: Response,
    services: CurrentServices,
    jobs: CurrentJobs,
    asked: Annotated[Asked, Depends(asked_of)],
) -> Job:
    """A list of films, series or studies of the PACS; a search for instances (QIDO-RS); or a ZIP or TAR of DICOM files.

    The job is on disk once this is answered. A request that is sent again with its `Idempotency-Key` gets the job that
    it made before. Films that were read before by the same bundle are not read again.
    """
    require_plain_body(request)
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type in TYPES:
        work = partial(_of_archive, request, jobs, asked, TYPES[media_type])
    elif media_type == JSON:
        work = partial(_of_list, request, jobs, asked, services.limits.max_body_bytes)
    else:
        msg = f"the body is declared neither as {JSON} nor as {' or '.join(TYPES)}; send a list, a query or an archive"
        raise UnsupportedMediaTypeError(msg)
    created: Created = await audited_action(services.audit, origin_of(request), work)
    (await intake_of(request)).worker.wake()
    if created.is_known:
        response.headers[REPLAYED_HEADER] = "true"
    response.headers["Location"] = f"jobs/{created.job.id}"
    return created.job


@router.get("", dependencies=READING, operation_id="list_jobs", summary="All jobs", responses=KNOWN)
async def list_jobs(jobs: CurrentJobs, page: CurrentPage) -> JobList:
    """The latest first."""
    return await asyncio.to_thread(jobs.register.list, page.after, page.limit)


@router.get("/{job}", dependencies=READING, operation_id="get_job", summary="One job", responses=KNOWN)
async def one_job(jobs: CurrentJobs, job: JobId) -> Job:
    """Its state, and how far it is; what has come of a film is noted every five seconds."""
    return await asyncio.to_thread(jobs.register.find, job)


@router.get(
    "/{job}/films", dependencies=READING, operation_id="list_job_films", summary="The films of a job", responses=KNOWN
)
async def job_films(
    jobs: CurrentJobs,
    audience: CurrentAudience,
    page: CurrentPage,
    job: JobId,
    state: State = None,
) -> JobFilmList:
    """In the order of the job's list; films that change meanwhile move no other to another page.

    `GET /results/{sop_instance_uid}` has the analysis of each. Of a silent service `decision` is for callers with the
    scope `trial` alone.
    """
    films = await asyncio.to_thread(jobs.register.films, job, page.after, page.limit, state)
    if audience.mode == "silent" and not audience.sees_trial:
        hidden = tuple(film.model_copy(update={"decision": None}) for film in films.films)
        return films.model_copy(update={"films": hidden})
    return films


@router.post("/{job}/cancel", dependencies=WRITING, operation_id="cancel_job", summary="End a job", responses=KNOWN)
async def cancel_job(request: Request, services: CurrentServices, jobs: CurrentJobs, job: JobId) -> Job:
    """Films that wait are not fetched; those in the spool, 16 at most, are read. A job that has ended stays so."""
    return await audited_action(services.audit, origin_of(request), partial(asyncio.to_thread, jobs.cancel, job))


async def _of_list(request: Request, jobs: "Jobs", asked: Asked, at_most: int) -> Created:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > at_most:
            msg = f"the list is larger than {at_most} bytes (CXR_MAX_BODY_BYTES); name studies, or send several"
            raise BodyTooLargeError(msg)
    try:
        wanted = JobRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        # What was sent is not repeated: it may be a patient's.
        entries = error.errors(include_input=False, include_url=False)
        places = sorted({str(each["loc"][0]) for each in entries if each["loc"] and each["loc"][0] in _FIELDS})
        msg = f"the body is not a job in JSON ({', '.join(places) or 'as a whole'}); send films or query (docs/jobs.md)"
        raise MalformedRequestError(msg) from None
    fingerprint = hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()
    source: JobSource = "query" if wanted.query is not None else "films"
    asked = replace(
        asked, fingerprint=fingerprint, source=source, verify=wanted.verify, notify=wanted.notify or asked.notify
    )
    return await jobs.create(wanted, asked)


_FIELDS: Final = frozenset(JobRequest.model_fields)


async def _of_archive(request: Request, jobs: "Jobs", asked: Asked, kind: str) -> Created:
    def with_digest(digest: str) -> Asked:
        return replace(asked, fingerprint=digest)

    return await jobs.create_of_archive(kind, request.stream(), with_digest, asked.notify)
