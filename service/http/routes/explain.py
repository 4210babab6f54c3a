"""`POST /explain`: a prediction, and the heat map that explains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema

from imaging.overlay import lay_over, overlay_jpeg, overlay_png
from schemas.api import ExplainMethod, ExplainResponse
from schemas.errors import ExplanationUnavailableError, NotAcceptableError, SilentError
from service.http.authorization import Requires
from service.http.errors import FILM_FAILURES, KEY_FAILURES, REQUEST_FAILURES, documented
from service.http.film_request import CurrentFilmRequest
from service.http.idempotency import KEY, REPLAYED, cache_status, key_of
from service.http.negotiation import accept_of, negotiate
from service.http.parameters import described
from service.http.request_body import request_body
from service.http.request_options import OPTIONS, WORD, word_of
from service.http.silence import audience_of
from service.reading.explain import Draw, Question, explain_film

JSON: Final = "application/json"
PICTURES: Final[Mapping[str, Draw[bytes]]] = {"image/png": overlay_png, "image/jpeg": overlay_jpeg}
"""What draws the overlay, by its media type. A caller who takes any picture gets the exact one."""

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
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in PICTURES},
    }
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which heat map the caller asks for."""

    finding: str | None
    method: ExplainMethod


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
    openapi_extra=request_body("file", repeated=False) | described(*OPTIONS, *WORD, KEY),
)
async def explain(request: CurrentFilmRequest, finding: Finding = None, method: Method = "gradcam") -> Response:
    """JSON with heat map and overlay inside, or by `Accept: image/png` or `image/jpeg` the overlay alone.

    The JPEG takes a third of the time of the PNG and a tenth of its bytes.

    A silent service draws nothing for callers without the scope `trial`: 403.
    """
    audience = audience_of(request.request)
    audience.check()
    options, word, key = request.options, word_of(request.request), key_of(request.request)
    wanted = Wanted(finding, method)
    media_type = negotiate(accept_of(request.request), (JSON, *PICTURES))
    question = Question(wanted.finding, wanted.method, options.priority)
    async with request.begin(word=word, key=key, check=question.check) as films:

        async def work() -> Response:
            reader = partial(explain_film, request.services, films.bundles, question=question)
            asked = ("explanation", media_type, str(wanted))
            if media_type in PICTURES:
                drawn = await films.read(partial(reader, draw=PICTURES[media_type]), *asked)
                return Response(drawn.heat_map, media_type=media_type, headers=cache_status(drawn.reading))
            explained = await films.read(partial(reader, draw=lay_over), *asked)
            response = explained.response(options.request_id, options.elapsed_s)
            shown = {"prediction": audience.shown(explained.reading.prediction), "mode": audience.mode}
            body = response.model_copy(update=shown).model_dump_json()
            return Response(body, media_type=JSON, headers=cache_status(explained.reading))

        return await films.answer(work, word.digested, media_type, str(wanted))
