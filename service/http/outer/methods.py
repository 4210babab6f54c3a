"""OPTIONS, and the header Allow of every answer that names the methods of an address (RFC 9110 9.3.7, 15.5.6)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DOCUMENT: Final = "/openapi.json"
_FILES: Final = "/static/"
"""Addresses that are not routes of ours, and are got."""


class Methods:
    """Knows the methods of all addresses. The framework names those of one route alone, where several have a path."""

    def __init__(self, app: ASGIApp, routes: Sequence[APIRoute]) -> None:
        self.app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_allow(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
                MutableHeaders(scope=message)["Allow"] = self._allowed(scope["path"])
            await send(message)

        if scope["method"] != "OPTIONS" or not (allowed := self._allowed(scope["path"])):
            await self.app(scope, receive, send_with_allow)
            return
        scope["route"] = next((route for route in self._routes if route.path_regex.match(scope["path"])), None)
        headers = [(b"allow", allowed.encode())]
        await send({"type": "http.response.start", "status": HTTPStatus.NO_CONTENT, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _allowed(self, path: str) -> str:
        """The methods of an address in their order; empty: there is no such address."""
        methods = {method for route in self._routes if route.path_regex.match(path) for method in route.methods or ()}
        if path == _DOCUMENT or path.startswith(_FILES):
            methods.add("GET")
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted({*methods, "OPTIONS"})) if methods else ""
