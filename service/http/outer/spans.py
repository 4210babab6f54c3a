"""The span of a request, below that of its caller; there only while traces are on.

Source: OpenTelemetry semantic conventions 1.37, "HTTP spans" (stable), "Server".
"""

import time
from http import HTTPStatus
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.middleware import METHODS, PROBES
from service.tracing.span import Attributes, Span, Tracing, past

_CARRIED: Final = frozenset({b"traceparent", b"tracestate"})
CALLER_LEFT: Final = "caller_left"


class ServerSpans:
    """Begins the span before the request's own log lines, so that each names its trace.

    What is refused before (service/http/early_refusal.py) has none: a refusal must cost next to nothing. Probes have
    none either. The address is not an attribute, for it names studies and films: `url.path` is that of the route.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self.app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        status: int | None = None
        answered_at = 0.0

        async def send_noted(message: Message) -> None:
            nonlocal status, answered_at
            if message["type"] == "http.response.start":
                status = message["status"]
                answered_at = time.perf_counter()
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        with self._tracing.begin(_name(method), "server", _facts(scope, method), _carried(scope)) as span:
            await self.app(scope, receive, send_noted)
            if span is not None and span.recording:
                if status is not None:
                    past("answer", answered_at, time.perf_counter() - answered_at)
                _conclude(span, scope, method, status)


def _facts(scope: Scope, method: str) -> Attributes:
    """What is known from the start; the address is that of our own socket, for a Host header may hold anything."""
    host, port = scope.get("server") or ("", None)
    facts: dict[str, Any] = {
        "http.request.method": method,
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope.get("http_version", ""),
        "server.address": host,
    }
    return facts if port is None else facts | {"server.port": port}


def _carried(scope: Scope) -> dict[str, str]:
    """The caller's span; several lines of one name are one list (RFC 9110 5.3), which `traceparent` must not be."""
    carried: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in _CARRIED:
            line = value.decode("latin-1")
            carried[name.decode()] = f"{carried[name.decode()]},{line}" if name.decode() in carried else line
    return carried


def _conclude(span: Span, scope: Scope, method: str, status: int | None) -> None:
    route = getattr(scope.get("route"), "path", None)
    if route is not None:
        span.rename(f"{_name(method)} {route}")
        span.set({"http.route": route, "url.path": route})
    if status is None:
        span.fail(CALLER_LEFT)
        return
    span.set({"http.response.status_code": status})
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail(str(status))


def _name(method: str) -> str:
    return "HTTP" if method == "_OTHER" else method
