"""`/v1`: a second name of every address of the interface; what stands in logs, metrics and records is the first one."""

from collections.abc import Iterable
from typing import Final

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX: Final = "/v1"
DOCUMENT: Final = "openapi.json"


class Versions:
    """Takes the prefix off, before any other layer sees the address. Pages for people have one address alone."""

    def __init__(self, app: ASGIApp, routes: Iterable[APIRoute]) -> None:
        self.app = app
        self._first = {DOCUMENT, *(route.path.split("/")[1] for route in routes if route.include_in_schema)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] == "http" and (path := scope["path"]).startswith(f"{PREFIX}/"):
            bare = path.removeprefix(PREFIX)
            if bare.lstrip("/").partition("/")[0] in self._first:
                scope["path"] = bare
        await self.app(scope, receive, send)
