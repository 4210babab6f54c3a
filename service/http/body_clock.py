"""The time that a body has to arrive: in all, and for its pace; the deadline of the answer is another one."""

import asyncio
from typing import Any, Final

from starlette.types import Message, Receive

from schemas.errors import CxrError, UploadTooSlowError
from service.settings import ConnectionSettings

WINDOW_S: Final = 5.0
"""The pace is looked at in pieces of this length: a network may pause, and a body that stops before its end may not."""
_SHORTEST_LOOK_S: Final = 0.01
"""uvloop's clock counts milliseconds, and what is left may be a part of one."""


_REMEDY: Final = "send it again over a faster connection, or smaller images"


class BodyClock:
    """Watches one body. Only waiting counts: a service that is slow to ask for bytes blames nobody for it.

    One timer looks at the body from time to time. `asyncio.timeout` around each piece costs 11 µs, a tenth of all that
    the service does for a film of 1 MB.
    """

    def __init__(self, settings: ConnectionSettings, window_s: float = WINDOW_S) -> None:
        self._settings = settings
        self._length_s = window_s
        self._ended = False
        self._waited_s = 0.0
        self._window_s = 0.0
        self._window_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Task[Any] | None = None
        self._since = 0.0
        self._stopped_at = 0.0
        self._fault: CxrError | None = None

    @property
    def stopped_s(self) -> float:
        """Time since the caller was last asked for bytes and sent none; 0 where it is not being asked."""
        return 0.0 if self._waiter is None else asyncio.get_running_loop().time() - self._stopped_at

    async def receive(self, receive: Receive) -> Message:
        """The next message.

        Raises:
            UploadTooSlowError: it did not come in time.
            CxrError: of `interrupt`.
        """
        if self._ended:
            return await receive()
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._look_later(loop)
        self._waiter = waiter = asyncio.current_task()
        self._since = self._stopped_at = loop.time()
        try:
            message = await receive()
        except asyncio.CancelledError:
            # As `asyncio.timeout` does: where somebody else has cancelled it too, their reason goes first.
            if self._fault is not None and waiter is not None and waiter.uncancel() == 0:
                self.close()
                raise self._fault from None
            raise
        finally:
            self._waiter = None
        self._note_wait(loop.time())
        self._window_bytes += len(message.get("body", b""))
        if not message.get("more_body", False):
            self.close()
        return message

    def interrupt(self, error: CxrError) -> None:
        """Raise `error` where the next message is waited for."""
        if self._waiter is not None:
            self._fault = error
            self._waiter.cancel()

    def close(self) -> None:
        """Stop watching: the body has arrived, or nobody wants it."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        left_s = min(self._length_s - self._window_s, self._settings.upload_timeout_s - self._waited_s)
        self._timer = loop.call_later(max(left_s, _SHORTEST_LOOK_S), self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._ended:
            return
        if self._waiter is not None:
            self._note_wait(loop.time())
            if (fault := self._judged()) is not None:
                self.interrupt(UploadTooSlowError(f"the body of the request {fault}; {_REMEDY}"))
                return
        self._look_later(loop)

    def _note_wait(self, now: float) -> None:
        self._waited_s += now - self._since
        self._window_s += now - self._since
        self._since = now

    def _judged(self) -> str | None:
        """What is wrong with the body, None where nothing is; begins a new window where one is over."""
        if self._waited_s >= self._settings.upload_timeout_s:
            return f"did not arrive within {self._settings.upload_timeout_s:g} s"
        if self._window_s >= self._length_s:
            if self._window_bytes < self._settings.min_upload_bytes_s * self._length_s:
                return f"brings fewer than {self._settings.min_upload_bytes_s} bytes a second"
            self._window_s = 0.0
            self._window_bytes = 0
        return None
