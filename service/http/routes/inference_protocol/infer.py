"""`POST /v2/models/{name}/infer`: films as tensors, the answers of `POST /predict` as tensors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Depends, Response

from schemas.bodies.inference_protocol import InferRequest, InferResponse
from schemas.errors import CxrError, InvalidParameterError
from service.capacity.admission import Priority
from service.films.look import Upload
from service.http.authorization import Requires, caller_of
from service.http.errors import FILM_FAILURES, REQUEST_FAILURES
from service.http.film_request import CurrentFilmRequest, FilmRequest, FilmsToRead
from service.http.parameters import described
from service.http.request_body import require_plain_body
from service.http.request_options import OPTIONS, SILENCE, WORD, CallersWord, RequestOptions, word_of
from service.http.routes.inference_protocol.contract import FILM, Answer, columns_of, films_of, wanted_of
from service.http.routes.inference_protocol.models import NAMED_FAILURES, failures, serving_bundle
from service.http.routes.inference_protocol.wire import BINARY, HEADER, SentRequest, read_request, write_answer
from service.http.silence import Audience, audience_of
from service.models.live import LiveBundle, ServingBundles
from service.reading.predict import Reading, read_film
from service.reading.routing import check_word
from service.reading.stated import stated_facts
from service.reading.tensors import read_prepared

PRIORITIES: Final[dict[Any, Priority]] = {"stat": "stat", "routine": "routine", 1: "stat", 2: "routine"}
"""Triton's clients send numbers, 1 the most urgent."""
_STATED: Final = ("population", "age", "view")
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}},
            BINARY: {"schema": {"type": "string", "format": "binary"}},
        },
    },
}
ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": f"JSON, or where outputs are wanted as bytes JSON and these; {HEADER} is the length of the JSON",
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}

router = APIRouter(prefix="/v2/models", tags=["inference"], dependencies=[Depends(Requires("predict"))])
documentation: Final[dict[str, Any]] = {
    "response_model": InferResponse,
    "responses": ANSWER | failures(*REQUEST_FAILURES, *FILM_FAILURES, *NAMED_FAILURES),
    "openapi_extra": BODY | described(*OPTIONS, *WORD),
}


@dataclass(frozen=True, slots=True)
class Inference:
    """A request whose films have arrived."""

    asked: InferRequest
    films: FilmsToRead
    live: LiveBundle
    are_prepared: bool
    """Whether the films are pixels that the caller has prepared."""


@router.post("/{name}/infer", operation_id="infer_model", summary="Read radiographs with a bundle", **documentation)
async def infer(request: CurrentFilmRequest, name: str) -> Response:
    """Whole files (`film`, BYTES), or prepared pixels (`image`, FP32); the bundle that is named answers.

    Answers as tensors, and as `POST /predict` words them in `answer`. One film that cannot be read fails the request.
    """
    return await _infer(request, name, None)


@router.post(
    "/{name}/versions/{version}/infer",
    operation_id="infer_model_version",
    summary="Read radiographs with a version of a bundle",
    **documentation,
)
async def infer_version(request: CurrentFilmRequest, name: str, version: str) -> Response:
    """As without a version; 404 for one that does not serve."""
    return await _infer(request, name, version)


async def _infer(request: FilmRequest, name: str, version: str | None) -> Response:
    audience = audience_of(request.request)
    async with _begun(request, word_of(request.request), name, version) as inference:
        wanted = wanted_of(inference.asked)
        films, live = inference.films, inference.live
        read = (
            partial(read_prepared, request.services, live)
            if inference.are_prepared
            else partial(read_film, request.services, films.bundles)
        )
        outcomes = await films.read_each(partial(read, priority=films.options.priority), _outcome)
        answers = [_answer(audience, films.options, reading) for reading in _all_read(outcomes)]
        manifest = live.loaded.manifest
        columns = columns_of(manifest, answers, list(wanted))
        own_id = films.options.request_id
        head = {
            "model_name": manifest.name,
            "model_version": manifest.version,
            "id": inference.asked.id or own_id,
            "parameters": {"request_id": own_id, "classes": list(manifest.classes), "mode": audience.mode},
        }
        body, headers = write_answer(head, columns, list(wanted.values()))
        return Response(body, headers=dict(headers))


@asynccontextmanager
async def _begun(request: FilmRequest, word: CallersWord, name: str, version: str | None) -> AsyncIterator[Inference]:
    """As `FilmRequest.begin`, with a body of the protocol."""
    services, options = request.services, request.options
    with services.hold() as serving:
        live = serving_bundle(services, serving.live, name, version)
        bundles = ServingBundles((live,))
        require_plain_body(request.request)
        async with options.deadline(services.metrics):
            body = await request.request.body()
            length = request.request.headers.get(HEADER)
            sent, are_prepared, contents = await asyncio.to_thread(
                _read, body, length, live, services.limits.max_batch_items
            )
            del body
            services.metrics.stage_duration.labels("upload").observe(options.elapsed_s)
        await services.gate.count(caller_of(request.request), len(contents))
        options = _with_parameters(options, sent.asked)
        word = _word_of(sent.asked, word)
        check_word(bundles, word.population)
        uploads = tuple(word.about(Upload(content, None)) for content in contents)
        films = FilmsToRead(request.request, services, options, uploads, bundles)
        yield Inference(sent.asked, films, live, are_prepared)


def _read(
    body: bytes, header_length: str | None, live: LiveBundle, at_most: int
) -> tuple[SentRequest, bool, tuple[bytes, ...]]:
    sent = read_request(body, header_length, whole=FILM)
    return (sent, *films_of(sent.tensors, live.loaded.manifest, at_most))


def _with_parameters(options: RequestOptions, asked: InferRequest) -> RequestOptions:
    """The options, with what the body asks for in their place.

    Raises:
        InvalidParameterError: a parameter is not one that is known.
    """
    priority = asked.parameters.get("priority", 0)
    if priority != 0:
        if not isinstance(priority, str | int) or priority not in PRIORITIES:
            msg = "the parameter priority is none; send stat or 1, routine or 2, or 0 for the default"
            raise InvalidParameterError(msg)
        options = replace(options, priority=PRIORITIES[priority])
    timeout_us = asked.parameters.get("timeout")
    if timeout_us is not None:
        if type(timeout_us) is not int or timeout_us < 1000:  # noqa: PLR2004 a millisecond
            msg = "the parameter timeout is not a number of microseconds, at least 1000"
            raise InvalidParameterError(msg)
        options = replace(options, allowed_ms=min(options.allowed_ms, timeout_us // 1000))
    return options


def _word_of(asked: InferRequest, word: CallersWord) -> CallersWord:
    """What the caller says of the films, in the body or in address and headers.

    Raises:
        InvalidParameterError: in both, or it cannot be read.
    """
    stated = {name: asked.parameters[name] for name in _STATED if name in asked.parameters}
    if not stated:
        return word
    if word.digested != SILENCE.digested or not all(isinstance(value, str) for value in stated.values()):
        msg = (
            f"state {', '.join(_STATED)} as texts in the parameters of the body, or in the address or headers, not both"
        )
        raise InvalidParameterError(msg)
    population = stated.get("population")
    facts = stated_facts(stated.get("age"), stated.get("view"))
    return CallersWord(None if population is None else population.lower(), facts)


async def _outcome(_: int, film: Awaitable[Reading]) -> Reading | CxrError:
    """The reading, or why there is none: the others are waited for, as the request holds their places."""
    try:
        return await film
    except CxrError as error:
        return error


def _all_read(outcomes: tuple[Reading | CxrError, ...]) -> list[Reading]:
    """All readings; one failure is that of the request.

    Raises:
        CxrError: the first one, with the film's place where there are several.
    """
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, CxrError) and len(outcomes) == 1:
            raise outcome
        if isinstance(outcome, CxrError):
            msg = f"film {place} of 0 to {len(outcomes) - 1}: {outcome}"
            error = type(outcome)(msg)
            error.retry_after_s = outcome.retry_after_s
            raise error
    return [outcome for outcome in outcomes if not isinstance(outcome, CxrError)]


def _answer(audience: Audience, options: RequestOptions, reading: Reading) -> Answer:
    response = reading.response(options.request_id, options.elapsed_s)
    shown = {"prediction": audience.shown(reading.prediction), "mode": audience.mode}
    return Answer(response.model_copy(update=shown))
