"""`POST /predict` and `POST /predict/batch`: films in, predictions out."""

from collections.abc import Awaitable
from functools import partial
from typing import Final

import structlog
from fastapi import APIRouter, Depends, Response

from schemas.api import BatchItem, BatchProblem, BatchResponse, PredictResponse
from schemas.errors import CxrError, InternalError
from service.http.authorization import Requires
from service.http.errors import FILM_FAILURES, KEY_FAILURES, REQUEST_FAILURES, UNFORESEEN, documented, problem_of
from service.http.film_request import CurrentFilmRequest
from service.http.idempotency import KEY, REPLAYED, cache_status, key_of
from service.http.parameters import described
from service.http.request_body import request_body
from service.http.request_options import OPTIONS, WORD, RequestOptions, word_of
from service.http.silence import Audience, audience_of
from service.reading.predict import Reading, read_film

JSON: Final = "application/json"
PREDICTION: Final = "prediction"
"""The question whose answers are kept: the same whether a film comes alone or with others."""

router = APIRouter(tags=["radiographs"], dependencies=[Depends(Requires("predict"))])
log = structlog.get_logger("service.predict")


@router.post(
    "/predict",
    operation_id="predict_image",
    summary="Read one radiograph",
    response_model=PredictResponse,
    responses=REPLAYED | documented(*REQUEST_FAILURES, *FILM_FAILURES, *KEY_FAILURES),
    openapi_extra=request_body("file", repeated=False) | described(*OPTIONS, *WORD, KEY),
)
async def predict(request: CurrentFilmRequest) -> Response:
    """The image as multipart part `file`, or as the body itself."""
    options, word = request.options, word_of(request.request)
    audience, key = audience_of(request.request), key_of(request.request)
    async with request.begin(word=word, key=key) as films:

        async def work() -> Response:
            reader = partial(read_film, request.services, films.bundles, priority=options.priority)
            reading = await films.read(reader, PREDICTION)
            response = reading.response(options.request_id, options.elapsed_s)
            shown = {"prediction": audience.shown(reading.prediction), "mode": audience.mode}
            body = response.model_copy(update=shown).model_dump_json()
            return Response(body, media_type=JSON, headers=cache_status(reading))

        return await films.answer(work, word.digested)


@router.post(
    "/predict/batch",
    operation_id="predict_images",
    summary="Read several radiographs",
    responses=documented(*REQUEST_FAILURES),
    openapi_extra=request_body("files", repeated=True) | described(*OPTIONS, *WORD),
)
async def predict_batch(request: CurrentFilmRequest) -> BatchResponse:
    """The images as repeated multipart part `files`; each gets its own result or problem, in the request's order."""
    options, word, audience = request.options, word_of(request.request), audience_of(request.request)
    at_most = request.services.limits.max_batch_items
    async with request.begin(part="files", at_most=at_most, word=word) as films:
        reader = partial(read_film, request.services, films.bundles, priority=options.priority)
        results = await films.read_each(reader, partial(_result, options, audience), PREDICTION)
        model = films.bundles.first.loaded.reference
    return BatchResponse(request_id=options.request_id, model=model, results=results, mode=audience.mode)


async def _result(
    options: RequestOptions, audience: Audience, index: int, film: Awaitable[Reading]
) -> BatchItem | BatchProblem:
    try:
        reading = await film
    except CxrError as error:
        return BatchProblem(filename_index=index, problem=problem_of(error, options.request_id))
    except Exception:  # supervisor of one film: a defect that it brings to light must not take the others with it
        log.exception("film_failed", filename_index=index)
        return BatchProblem(filename_index=index, problem=problem_of(InternalError(UNFORESEEN), options.request_id))
    return BatchItem(
        filename_index=index,
        model=reading.model,
        route=reading.route,
        prediction=audience.shown(reading.prediction),
        image=reading.image_facts,
        timings_ms=reading.timings(options.elapsed_s),
    )
