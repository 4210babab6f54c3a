"""`POST /predict` and `POST /predict/batch`: films in, predictions out."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Depends, Request

from schemas.api import BatchItem, BatchProblem, BatchResponse, PredictResponse
from schemas.errors import CxrError, InternalError
from service.audit.accounts import Asked, asked_by, film
from service.http.errors import FILM_FAILURES, REQUEST_FAILURES, UNFORESEEN, documented, problem_of
from service.http.films import receive_films, request_body
from service.http.request_options import CallersTerms, Terms, while_caller_waits
from service.models.live import Serving
from service.reading.predict import Reading, Upload, read_film
from service.security.authentication import Requires
from service.services import CurrentService, Service


@dataclass(frozen=True, slots=True)
class Batch:
    """What the films of one request share."""

    service: Service
    serving: Serving
    terms: Terms
    asked: Asked


router = APIRouter(tags=["radiographs"], dependencies=[Depends(Requires("predict"))])
log = structlog.get_logger("service.predict")


@router.post(
    "/predict",
    summary="Read one radiograph",
    responses=documented(*REQUEST_FAILURES, *FILM_FAILURES),
    openapi_extra=request_body("file", repeated=False),
)
async def predict(request: Request, service: CurrentService, terms: CallersTerms) -> PredictResponse:
    """The film as multipart part `file`, or as the body itself."""
    with service.hold() as serving:
        async with terms.deadline(service.metrics):
            (upload,) = await receive_films(request, service, terms, part="file", at_most=1)

        async def work() -> Reading:
            async with terms.deadline(service.metrics):
                with service.admission.admit(1, terms.priority):
                    film_reading = read_film(service, serving, upload, priority=terms.priority, target=None)
                    return await while_caller_waits(request, film_reading)

        reading = await film(service.audit, asked_by(request), upload.data, serving.loaded.reference, work)
    return PredictResponse(
        request_id=terms.request_id,
        model=serving.loaded.reference,
        prediction=reading.prediction,
        image=reading.image_facts,
        timings_ms=reading.timings(terms.elapsed_s),
    )


@router.post(
    "/predict/batch",
    summary="Read several radiographs",
    responses=documented(*REQUEST_FAILURES),
    openapi_extra=request_body("files", repeated=True),
)
async def predict_batch(request: Request, service: CurrentService, terms: CallersTerms) -> BatchResponse:
    """The films as repeated multipart part `files`; each gets its own result or problem, in the request's order."""
    at_most = service.settings.max_batch_items
    with service.hold() as serving:
        async with terms.deadline(service.metrics):
            uploads = await receive_films(request, service, terms, part="files", at_most=at_most)
        with service.admission.admit(len(uploads), terms.priority):
            batch = Batch(service, serving, terms, asked_by(request))
            results = await while_caller_waits(request, _read_all(batch, uploads))
    return BatchResponse(request_id=terms.request_id, model=serving.loaded.reference, results=results)


async def _read_all(batch: Batch, uploads: Iterable[Upload]) -> tuple[BatchItem | BatchProblem, ...]:
    films = (_read_one(batch, upload, index) for index, upload in enumerate(uploads))
    return tuple(await asyncio.gather(*films))


async def _read_one(batch: Batch, upload: Upload, index: int) -> BatchItem | BatchProblem:
    service = batch.service
    serving = batch.serving
    terms = batch.terms

    async def work() -> Reading:
        async with terms.deadline(service.metrics):
            return await read_film(service, serving, upload, priority=terms.priority, target=None)

    try:
        reading = await film(service.audit, batch.asked, upload.data, serving.loaded.reference, work)
    except CxrError as error:
        return BatchProblem(filename_index=index, problem=problem_of(error, terms.request_id))
    except Exception:  # supervisor of one film: a defect that it brings to light must not take the others with it
        log.exception("film_failed", filename_index=index)
        return BatchProblem(filename_index=index, problem=problem_of(InternalError(UNFORESEEN), terms.request_id))
    return BatchItem(
        filename_index=index,
        prediction=reading.prediction,
        image=reading.image_facts,
        timings_ms=reading.timings(terms.elapsed_s),
    )
