"""The time that a body has to arrive: in all, and for its pace; the deadline of the answer is another one."""

import asyncio
from typing import Final, NoReturn

from starlette.types import Message, Receive

from schemas.errors import UploadTooSlowError
from service.settings import ConnectionSettings

WINDOW_S: Final = 5.0
"""The pace is looked at in pieces of this length: a network may pause, and a body that stops before its end may not."""


class BodyClock:
    """Watches one body. Only waiting counts: a service that is slow to ask for bytes blames nobody for it."""

    def __init__(self, settings: ConnectionSettings, window_s: float = WINDOW_S) -> None:
        self._length_s = window_s
        self._settings = settings
        self._ended = False
        self._waited_s = 0.0
        self._window_s = 0.0
        self._window_bytes = 0

    async def receive(self, receive: Receive) -> Message:
        """The next message.

        Raises:
            UploadTooSlowError: it did not come in time.
        """
        if self._ended:
            return await receive()
        loop = asyncio.get_running_loop()
        while True:
            start = loop.time()
            left_s = min(self._length_s - self._window_s, self._settings.upload_timeout_s - self._waited_s)
            try:
                async with asyncio.timeout_at(start + left_s):
                    message = await receive()
            except TimeoutError:
                self._count(loop.time() - start, 0)
            else:
                self._ended = not message.get("more_body", False)
                self._count(loop.time() - start, len(message.get("body", b"")))
                return message

    def _count(self, waited_s: float, size: int) -> None:
        self._waited_s += waited_s
        self._window_s += waited_s
        self._window_bytes += size
        if self._ended:
            return
        if self._waited_s >= self._settings.upload_timeout_s:
            self._refuse(f"did not arrive within {self._settings.upload_timeout_s:g} s")
        if self._window_s >= self._length_s:
            if self._window_bytes < self._settings.min_upload_bytes_s * self._length_s:
                self._refuse(f"brings fewer than {self._settings.min_upload_bytes_s} bytes a second")
            self._window_s = 0.0
            self._window_bytes = 0

    def _refuse(self, what: str) -> NoReturn:
        msg = f"the body of the request {what}; send it again over a faster connection, or smaller images"
        raise UploadTooSlowError(msg)
