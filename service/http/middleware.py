"""What surrounds every request, as pure ASGI: its id, its time, its count, and a problem where an answer failed.

`BaseHTTPMiddleware` is not used: it hides from the routes that a caller has left.
"""

import random
import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.api import Mode
from schemas.errors import CxrError, InternalError, MalformedRequestError
from service.http.errors import CALLER_LEFT, MEDIA_TYPE, UNFORESEEN, WITHOUT_PROBLEM, problem_response
from service.metrics import Metrics
from service.settings import MODE_HEADER
from service.tracing.span import exemplar

SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:+=/-]{1,128}")
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PROBES: Final = frozenset({"/livez", "/readyz", "/metrics"})
OUR_FAILURES: Final = frozenset({MEDIA_TYPE, "application/dicom+json", "application/dicom+xml"})
"""STOW-RS answers a refusal with a data set, in JSON or XML: PS3.18 10.5.3."""
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer whose route sets no others; an answer about a patient is stored nowhere."""
SECURITY_LINES: Final = tuple((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items())

log = structlog.get_logger("service.http")


def request_id_of(scope: Scope) -> str:
    """The caller's own id of the request, where that is sane; else a new one."""
    lines: Iterable[tuple[bytes, bytes]] = scope["headers"]
    for name, value in lines:
        if name == b"x-request-id" and SANE_REQUEST_ID.fullmatch(offered := value.decode("latin-1")):
            return offered
    # Unlike anybody else's, not hard to guess: a system call for it would be a fifth of what a refusal costs.
    return f"{random.getrandbits(128):032x}"


class RequestMiddleware:
    """Gives each request an id and a start, and counts, times and logs it when it is over."""

    def __init__(self, app: ASGIApp, metrics: Metrics, mode: Mode = "active") -> None:
        self.app = app
        self.metrics = metrics
        self._lines = SECURITY_LINES
        if mode != "active":
            self._lines = (*SECURITY_LINES, (MODE_HEADER.lower().encode(), mode.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        state = scope.setdefault("state", {})
        start = time.perf_counter()  # not the loop's clock: uvloop counts milliseconds
        state["request_id"] = request_id
        state["arrived"] = start
        status = CALLER_LEFT

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                names = {name for name, _ in headers}
                missing = (line for line in self._lines if line[0] not in names)
                message["headers"] = [*headers, (b"x-request-id", request_id.encode()), *missing]
            await send(message)

        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            self.metrics.http_inflight.track_inprogress(),
        ):
            try:
                await self.app(scope, receive, send_marked)
            finally:
                self._count(scope, status, time.perf_counter() - start)

    def _count(self, scope: Scope, status: int, duration_s: float) -> None:
        route = getattr(scope.get("route"), "path", "other")  # the template: the address itself is unbounded
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.http_requests.labels(route, method, str(status)).inc()
        self.metrics.http_duration.labels(route, method).observe(duration_s, exemplar())
        if status == CALLER_LEFT:
            self.metrics.cancelled.inc()
        if route not in PROBES:
            log.info(
                "request_finished", route=route, method=method, status=status, duration_ms=round(duration_s * 1e3, 2)
            )


class ProblemMiddleware:
    """Turns every failure that is not yet a problem into one: the frameworks' own texts, and unforeseen failures."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        replaced = False

        async def send_problem_instead(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _needs_replacement(message):
                replaced = True
                response = problem_response(_replacement_for(message["status"]), scope["state"]["request_id"])
                if "Allow" in (headers := Headers(raw=message["headers"])):
                    response.headers["Allow"] = headers["Allow"]
                await response(scope, receive, send)
            elif not replaced:
                await send(message)

        try:
            await self.app(scope, receive, send_problem_instead)
        except Exception:  # supervisor of the request: Starlette has answered 500 and hands the reason on to be logged
            log.exception("request_failed")


def _needs_replacement(message: Message) -> bool:
    status: int = message["status"]
    return (
        status >= HTTPStatus.BAD_REQUEST
        and status != CALLER_LEFT
        and Headers(raw=message["headers"]).get("Content-Type") not in OUR_FAILURES
    )


def _replacement_for(status: int) -> CxrError:
    if status in WITHOUT_PROBLEM:
        return WITHOUT_PROBLEM[status]
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return MalformedRequestError("the request cannot be understood; /docs describes the requests of this service")
    return InternalError(UNFORESEEN)
