"""Failures below `/v2` in the words of the Open Inference Protocol: `{"error": …}`, whoever has found them."""

import json
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.bodies.inference_protocol import InferError
from service.http.errors import MEDIA_TYPE
from service.http.outer.leniency import OMITTED

ROOT: Final = "/v2"


class InferenceErrors:
    """Rewords the problems of everything inside it; status and headers stay as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http" or not (scope["path"] == ROOT or scope["path"].startswith(f"{ROOT}/")):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def send_reworded(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get(OMITTED) or message.get("body", b"")
                if not message.get("more_body", False):
                    reworded = _reworded(body)
                    headers = MutableHeaders(scope=start)
                    headers["Content-Type"] = "application/json"
                    headers["Content-Length"] = str(len(reworded))
                    await send(start)
                    await send({"type": "http.response.body", "body": b"" if OMITTED in message else reworded})

        await self.app(scope, receive, send_reworded)


def _is_problem(message: Message) -> bool:
    return (b"content-type", MEDIA_TYPE.encode()) in [(name.lower(), value) for name, value in message["headers"]]


def _reworded(body: bytes) -> bytes:
    problem = json.loads(body)
    return InferError(error=f"{problem['code']}: {problem['detail']}").model_dump_json().encode()
