"""`POST /explain`: a prediction and the heat map of what it rests on."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema

from schemas.api import ExplainMethod, ExplainResponse
from schemas.errors import ExplanationUnavailableError, NotAcceptableError
from service.audit.accounts import asked_by, film
from service.http.errors import FILM_FAILURES, REQUEST_FAILURES, documented
from service.http.films import receive_films, request_body
from service.http.negotiation import negotiate
from service.http.request_options import CallersTerms, while_caller_waits
from service.reading.explain import ExplainedFilm, Question, explain_film
from service.security.authentication import Requires
from service.services import CurrentService

JSON: Final = "application/json"
PNG: Final = "image/png"

# In a query string a plus sign means a space: who writes method=gradcam++ sends "gradcam  ".
Method = Annotated[
    ExplainMethod,
    BeforeValidator(lambda text: text.replace(" ", "+")),
    Query(description="gradcam, or gradcam++ for a finding that occurs in several places"),
]
Finding = Annotated[
    str | SkipJsonSchema[None],  # absent, but never null
    Query(description="one of the bundle's classes; default: the predicted label"),
]

OVERLAY: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "JSON, or the overlay", "content": {PNG: {"schema": {"type": "string", "format": "binary"}}}}
}

router = APIRouter(tags=["radiographs"], dependencies=[Depends(Requires("predict"))])


@router.post(
    "/explain",
    summary="Read one radiograph and show what the answer rests on",
    response_model=ExplainResponse,
    responses=OVERLAY | documented(*REQUEST_FAILURES, *FILM_FAILURES, ExplanationUnavailableError, NotAcceptableError),
    openapi_extra=request_body("file", repeated=False),
)
async def explain(
    request: Request,
    service: CurrentService,
    terms: CallersTerms,
    finding: Finding = None,
    method: Method = "gradcam",
) -> Response:
    """JSON with heat map and overlay inside, or by `Accept: image/png` the overlay alone."""
    media_type = negotiate(request.headers.get("Accept", ""), (JSON, PNG))
    question = Question(finding, method, terms.priority)
    with service.hold() as serving:
        question.check(serving.loaded)
        async with terms.deadline(service.metrics):
            (upload,) = await receive_films(request, service, terms, part="file", at_most=1)

        async def work() -> ExplainedFilm:
            async with terms.deadline(service.metrics):
                with service.admission.admit(1, terms.priority):
                    return await while_caller_waits(request, explain_film(service, serving, upload, question))

        explained = await film(service.audit, asked_by(request), upload.data, serving.loaded.reference, work)
    if media_type == PNG:
        return Response(explained.heat_map.overlay_png, media_type=PNG)
    body = ExplainResponse(
        request_id=terms.request_id,
        model=serving.loaded.reference,
        prediction=explained.reading.prediction,
        image=explained.reading.image_facts,
        timings_ms=explained.reading.timings(terms.elapsed_s),
        explanation=explained.explanation,
    )
    return Response(body.model_dump_json(), media_type=JSON)
