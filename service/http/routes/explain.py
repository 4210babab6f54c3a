"""`POST /explain`: a prediction, and the heat map that explains it."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema

from schemas.api import ExplainMethod, ExplainResponse
from schemas.errors import ExplanationUnavailableError, NotAcceptableError, SilentError
from service.http.authorization import Requires
from service.http.errors import FILM_FAILURES, KEY_FAILURES, REQUEST_FAILURES, documented
from service.http.film_request import CurrentFilmRequest
from service.http.idempotency import REPLAYED, CurrentKey, cache_status
from service.http.negotiation import accept_of, negotiate
from service.http.request_body import request_body
from service.http.request_options import CurrentWord
from service.http.silence import CurrentAudience
from service.reading.explain import Question, explain_film

JSON: Final = "application/json"
PNG: Final = "image/png"

# In a query string a plus sign means a space: method=gradcam++ arrives as "gradcam  ".
Method = Annotated[
    ExplainMethod,
    BeforeValidator(lambda text: text.replace(" ", "+")),
    Query(description="gradcam; gradcam++ for a finding in several places; layercam for finer maps, where there are"),
]
Finding = Annotated[
    str | SkipJsonSchema[None],  # absent, but never null
    Query(description="one of the bundle's classes; default: the predicted label, or the finding that is called most"),
]

OVERLAY: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "JSON, or the overlay",
        **REPLAYED[200],
        "content": {PNG: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which heat map the caller asks for."""

    finding: str | None
    method: ExplainMethod


async def wanted_of(finding: Finding = None, method: Method = "gradcam") -> Wanted:
    """Read the parameters."""
    return Wanted(finding, method)


router = APIRouter(tags=["radiographs"], dependencies=[Depends(Requires("predict"))])


@router.post(
    "/explain",
    operation_id="explain_image",
    summary="Read one radiograph and explain the answer",
    response_model=ExplainResponse,
    responses=OVERLAY
    | documented(
        *REQUEST_FAILURES, *FILM_FAILURES, *KEY_FAILURES, ExplanationUnavailableError, NotAcceptableError, SilentError
    ),
    openapi_extra=request_body("file", repeated=False),
)
async def explain(
    request: CurrentFilmRequest,
    word: CurrentWord,
    audience: CurrentAudience,
    key: CurrentKey,
    wanted: Annotated[Wanted, Depends(wanted_of)],
) -> Response:
    """JSON with heat map and overlay inside, or by `Accept: image/png` the overlay alone.

    A silent service draws nothing for callers without the scope `trial`: 403.
    """
    audience.check()
    options = request.options
    media_type = negotiate(accept_of(request.request), (JSON, PNG))
    question = Question(wanted.finding, wanted.method, options.priority)
    async with request.begin(word=word, key=key, check=question.check) as films:

        async def work() -> Response:
            reader = partial(explain_film, request.services, films.bundles, question=question)
            explained = await films.read(reader, "explanation", media_type, str(wanted))
            headers = cache_status(explained.reading)
            if media_type == PNG:
                return Response(explained.heat_map.overlay_png, media_type=PNG, headers=headers)
            response = explained.response(options.request_id, options.elapsed_s)
            shown = {"prediction": audience.shown(explained.reading.prediction), "mode": audience.mode}
            body = response.model_copy(update=shown).model_dump_json()
            return Response(body, media_type=JSON, headers=headers)

        return await films.answer(work, word.digested, media_type, str(wanted))
