"""The first decision about a request, before routing, callers and bodies: whether its films and bytes are taken on.

Refusing is the work that grows with an overload, so it has to cost next to nothing: 5 times more films than the service
can answer were refused for a core of its two here when routes did it.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.errors import NotReadyError, OverloadedError
from service.admission import Admission, Priority
from service.problems import problem_response
from service.settings import Settings

FILM_ADDRESSES: Final = frozenset({"/predict", "/predict/batch", "/explain", "/film"})
"""Where films are read while the caller waits. What comes by DICOMweb waits in the spool and is bounded there."""


class AdmissionMiddleware:
    """Refuses films that there is no place for, and counts the bytes of those that are taken on."""

    def __init__(self, app: ASGIApp, admission: Admission, settings: Settings) -> None:
        self.app = app
        self._admission, self._settings = admission, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "POST" and scope["path"] in FILM_ADDRESSES:
            try:
                self._check(scope)
            except (OverloadedError, NotReadyError) as error:
                scope["state"]["refused"] = True
                await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
                return
        held = 0

        async def receive_counted() -> Message:
            nonlocal held
            message = await receive()
            if size := len(message.get("body", b"")):
                self._admission.take_bytes(size)
                held += size
            return message

        try:
            await self.app(scope, receive_counted, send)
        finally:
            self._admission.give_back_bytes(held)

    def _check(self, scope: Scope) -> None:
        stated, allowed_ms = 0, self._settings.deadline_ms
        for name, value in scope["headers"]:  # Starlette's own look-up takes a tenth of a refusal
            if name == b"content-length":
                stated = _number(value, 0)
            elif name == b"x-deadline-ms":
                allowed_ms = _number(value, allowed_ms)
        # What is over its own limit is 413, however much room there is.
        body_bytes = stated if stated <= self._settings.max_body_bytes else 0
        self._admission.check(_priority(scope["query_string"]), allowed_s=allowed_ms / 1000, body_bytes=body_bytes)


def _priority(query: bytes) -> Priority:
    """Of a request that may still be refused for its parameters: whatever is not clearly stat is routine."""
    return "stat" if b"priority=stat" in query.split(b"&") else "routine"


def _number(text: bytes, default: int) -> int:
    return int(text) if text.isdigit() else default
