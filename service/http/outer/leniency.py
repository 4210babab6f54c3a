"""Forms in which callers ask for what the routes know in another: HEAD, and doubled or trailing slashes of a PACS."""

import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SLASHES: Final = re.compile(r"/{2,}")
OMITTED: Final = "cxr.omitted"
"""In the message of a body that is not sent: what it would have been, for who states another length outside."""
_DICOMWEB: Final = "dicomweb"


class Leniency:
    """Answers HEAD wherever GET is answered (RFC 9110 9.3.2), and reads paths below /dicomweb as they are joined.

    A client joins the root `http://host/dicomweb/` and `/studies` to `/dicomweb//studies`, or asks for `studies/`.
    Other addresses have one form alone: a proxy in front may decide by them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        if ("//" in path or path.endswith("/")) and path.lstrip("/").startswith(_DICOMWEB):
            scope["path"] = _SLASHES.sub("/", path).rstrip("/")
        if scope["method"] == "HEAD":
            await self._answer_head(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        omitted = b""

        async def send_without_body(message: Message) -> None:
            nonlocal omitted
            if message["type"] == "http.response.start":
                await send(message)
                return
            omitted += message.get("body", b"")
            if not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b"", OMITTED: omitted})

        inner = {**scope, "method": "GET"}  # a copy: the server asks the original whether it may send a body
        try:
            await self.app(inner, receive, send_without_body)
        finally:
            if "route" in inner:
                scope["route"] = inner["route"]
