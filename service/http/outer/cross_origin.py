"""Pages of other origins that the operator lists may ask: CORS with exact origins, and without cookies.

Source: WHATWG Fetch, section 3.2 (CORS protocol).
"""

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.idempotency import CACHE_HEADER, KEY_HEADER, REPLAYED_HEADER
from service.http.request_options import AGE_HEADER, DEADLINE_HEADER, POPULATION_HEADER, PRIORITY_HEADER, VIEW_HEADER
from service.settings import MODE_HEADER

EXPOSED: Final = (
    *("Allow", CACHE_HEADER, "Link", "Retry-After", "Warning", MODE_HEADER, REPLAYED_HEADER, "X-Request-ID"),
)
"""Headers of answers that a script may read, in addition to those that every script may."""
ACCEPTED: Final = (
    "Authorization",
    "Content-Type",
    KEY_HEADER,
    AGE_HEADER,
    "X-API-Key",
    DEADLINE_HEADER,
    POPULATION_HEADER,
    PRIORITY_HEADER,
    "X-Request-ID",
    VIEW_HEADER,
)
"""Headers of requests that a script may send, in addition to those that every script may."""
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": ", ".join(ACCEPTED),
    "Access-Control-Max-Age": "600",
}


class CrossOrigin:
    """Adds to every answer, refusals too, what lets the pages of the listed origins read it; without a list nothing."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self.app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http" or not self._origins:
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        origin = asked.get("Origin", "")
        is_preflight = scope["method"] == "OPTIONS" and "Access-Control-Request-Method" in asked

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if origin in self._origins:
                    headers["Access-Control-Allow-Origin"] = origin
                    if is_preflight:
                        headers.update(_PREFLIGHT)
                    else:
                        headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
            await send(message)

        await self.app(scope, receive, send_with_origin)
