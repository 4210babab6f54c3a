"""`Idempotency-Key`: a request that is sent again gets the answer that it had, and is not worked on twice.

Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Header, Request, Response
from pydantic.json_schema import SkipJsonSchema

from schemas.errors import FilmError, InvalidParameterError
from service.audit.accounts import HasPrediction
from service.capacity.kept_answers import KeptAnswer, RequestName, Turn
from service.http.authorization import caller_of
from service.http.current import services_in
from service.http.parameters import Parameter

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
CACHE_HEADER: Final = "Cache-Status"
"""RFC 9211: on an answer that was kept from a film of the same bytes (`service.reading.repeats`)."""
REPLAYED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            REPLAYED_HEADER: {
                "schema": {"type": "string", "const": "true"},
                "description": f"the answer that the request of this {KEY_HEADER} had before",
            },
            CACHE_HEADER: {
                "schema": {"type": "string", "const": "cxr; hit"},
                "description": "the film was not computed again: CXR_RESULT_CACHE_BYTES",
            },
        }
    }
}
"""What OpenAPI says of answers that were given before."""
_KEY: Final = re.compile(r'(?P<quote>"?)(?P<key>[!#-\[\]-~]{1,255})(?P=quote)')
"""A text of RFC 8941 in quotation marks, as the draft has it, or the same without them, as most callers write it."""

KeyHeader = Annotated[
    str | SkipJsonSchema[None],  # absent, but never null
    Header(
        alias=KEY_HEADER,
        description="made by the caller for one request, e.g. a UUID: sent again with the same film, the request gets "
        "the same answer, and is neither read nor recorded twice (docs/requests-with-curl.md)",
    ),
]

KEY: Final[Parameter[str]] = Parameter(KeyHeader)
"""The parameter that `key_of` reads."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The key of a request whose caller sends it again where its answer gets lost."""

    name: RequestName


def key_of(request: Request) -> IdempotencyKey | None:
    """The key of a request; None: it has none, or no answers are kept.

    Raises:
        InvalidParameterError: it is not a key, or there are several.
    """
    if services_in(request).limits.idempotency_s == 0 or (text := key_text(request, KEY.of(request))) is None:
        return None
    return IdempotencyKey(RequestName(caller_of(request).identity, request.scope["route"].path, text))


def key_text(request: Request, key: str | None) -> str | None:
    """The key that a request has, without quotation marks; None: it has none.

    Raises:
        InvalidParameterError: it is not a key, or there are several.
    """
    if key is None:
        return None
    lines = request.headers.getlist(KEY_HEADER)
    match = _KEY.fullmatch(key)
    if match is None or len(lines) > 1:
        msg = f"the header {KEY_HEADER} is not one key of 1 to 255 visible characters without quotation marks; send one"
        raise InvalidParameterError(msg)
    return match["key"]


def fingerprint_of(contents: Iterable[bytes], asked: Sequence[str]) -> bytes:
    """A digest of films and of what is asked of them: how a body is packed changes nothing, as boundaries differ."""
    parts = (*contents, *(text.encode() for text in asked))
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def cache_status(reading: HasPrediction) -> dict[str, str]:
    """The header of an answer that was kept; none of one that was computed."""
    return {CACHE_HEADER: "cxr; hit"} if reading.repeated else {}


def replayed(answer: KeptAnswer) -> Response:
    """The answer of before; its body names the request that was worked on.

    Raises:
        FilmError: it was a failure.
    """
    if answer.failure is not None:
        raise type(answer.failure)(str(answer.failure))
    return Response(answer.body, media_type=answer.media_type, headers={REPLAYED_HEADER: "true"})


async def answered_once(turn: Turn, work: Callable[[], Awaitable[Response]]) -> Response:
    """Work on a request, and keep what it is answered, or why its film cannot be read.

    Any other failure may pass, such as an overload: the request is worked on when it is sent again.
    """
    try:
        response = await work()
    except FilmError as error:
        turn.answer = KeptAnswer(failure=type(error)(str(error)))  # not itself: its traceback holds the film
        raise
    turn.answer = KeptAnswer(bytes(response.body), response.media_type)
    return response
