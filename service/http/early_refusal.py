"""The first decision about a request, before FastAPI sees it: whether its films and its bytes are accepted.

Refusing is the work that grows with an overload, so it has to cost next to nothing: when routes did it, it took 1 ms,
and at five times the capacity one core of two did nothing but refuse.
"""

import asyncio
import contextvars
import time
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.errors import NotReadyError, OverloadedError
from service.capacity.admission import Admission
from service.http.bodies import Bodies
from service.http.errors import problem_response
from service.http.middleware import SECURITY_LINES, request_id_of
from service.http.request_options import DEADLINE_HEADER, PRIORITY_HEADER, peek_number, peek_priority
from service.metrics import Metrics
from service.settings import ConnectionSettings, LimitSettings

_INFER: Final = "/v2/models/{name}/infer"
_INFER_VERSION: Final = "/v2/models/{name}/versions/{version}/infer"
FILM_ADDRESSES: Final = frozenset({"/predict", "/predict/batch", "/explain", "/film", _INFER, _INFER_VERSION})
"""Where films are read while the caller waits. What comes by DICOMweb waits in the spool and is bounded there."""

_LOG_S: Final = 1.0
"""How often refusals are logged, by their number: a line for each costs more than the refusal."""
_DEADLINE: Final = DEADLINE_HEADER.lower().encode()
_PRIORITY: Final = PRIORITY_HEADER.lower().encode()
_REFUSALS: Final = (OverloadedError, NotReadyError)
_ID: Final = "the-id-of-the-request"

log = structlog.get_logger("service.http.early_refusal")


class EarlyRefusal:
    """Refuses films for which there is no place, and counts the bytes of those that are accepted."""

    def __init__(
        self,
        app: ASGIApp,
        admission: Admission,
        metrics: Metrics,
        limits: LimitSettings,
        connections: ConnectionSettings,
    ) -> None:
        self.app = app
        self._bodies = Bodies(admission, connections)
        self._admission = admission
        self._limits = limits
        self._refusals = 0  # since they were logged last
        # Looking a counter up by its labels costs as much as the rest of counting.
        self._counters = cache(
            lambda address, status: (
                metrics.http_requests.labels(address, "POST", str(status)),
                metrics.http_duration.labels(address, "POST"),
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "POST" and (address := _address_of(scope["path"])) in FILM_ADDRESSES:
            start = time.perf_counter()
            try:
                self._check(scope)
            except _REFUSALS as error:
                refusal = _refusal(error.code, str(error), error.retry_after_s)
                await _answer(refusal, request_id_of(scope), send)
                self._count(address, refusal.status, time.perf_counter() - start)
                return
        body = self._bodies.begin(scope)
        try:
            await self.app(scope, partial(body.receive, receive), send)
        finally:
            body.end()

    def _check(self, scope: Scope) -> None:
        body_bytes = 0
        allowed_ms = self._limits.deadline_ms
        priority = peek_priority(scope["query_string"])
        for name, value in scope["headers"]:
            if name == b"content-length":
                body_bytes = peek_number(value, 0)
            elif name == _DEADLINE:
                allowed_ms = peek_number(value, allowed_ms)
            elif name == _PRIORITY and value.lower() == b"stat":
                priority = "stat"
        if body_bytes > self._limits.max_body_bytes:  # the app answers it with 413, however much room there is
            body_bytes = 0
        self._bodies.make_room(body_bytes)
        self._admission.check(priority, allowed_s=allowed_ms / 1000, body_bytes=body_bytes)

    def _count(self, address: str, status: int, duration_s: float) -> None:
        requests, durations = self._counters(address, status)
        requests.inc()
        durations.observe(duration_s)
        if not self._refusals:
            asyncio.get_running_loop().call_later(_LOG_S, self._log_refusals, context=contextvars.Context())
        self._refusals += 1

    def _log_refusals(self) -> None:
        log.warning("requests_refused", requests=self._refusals)
        self._refusals = 0


def _address_of(path: str) -> str:
    """The route of a path; the names of bundles in it are the caller's, and would be labels without a bound."""
    if not (path.startswith("/v2/models/") and path.endswith("/infer")):
        return path
    return {5: _INFER, 7: _INFER_VERSION}.get(path.count("/") + 1, path)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The answer to a refused request, without the id of the request."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    start: bytes
    end: bytes
    """The body before and after the id."""


@lru_cache(maxsize=64)
def _refusal(code: str, detail: str, retry_after_s: int | None) -> _Refusal:
    """In an overload thousands of refusals differ in the id alone, so the rest is made once."""
    kind = next(kind for kind in _REFUSALS if kind.code == code)
    response = problem_response(kind(detail, retry_after_s), _ID)
    start, _, end = bytes(response.body).partition(_ID.encode())
    headers = [line for line in response.raw_headers if line[0] != b"content-length"]
    return _Refusal(response.status_code, (*headers, *SECURITY_LINES), start, end)


async def _answer(refusal: _Refusal, request_id: str, send: Send) -> None:
    body = refusal.start + request_id.encode() + refusal.end
    headers = [
        *refusal.headers,
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
