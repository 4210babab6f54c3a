"""One connection: uvicorn's protocol with a limit for the head of a request, and failures as problems.

It overrides methods of uvicorn's httptools protocol that uvicorn does not document; the locked version, 0.54, is
tested. Source: RFC 6585 5 (431), RFC 9110 15.5.9 (408).
"""

import asyncio
import random
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from schemas.errors import CxrError, HeadersTooLargeError, MalformedRequestError
from service.http.errors import problem_response
from service.http.middleware import SECURITY_LINES
from service.listener.connections import Connections
from service.metrics import Metrics

_MOST_HEADERS: Final = 200
_MOST_PIPELINED: Final = 64
"""Requests sent ahead of their answers: 14,000 fit into what is read at once, and beginning them takes 0.3 s."""
_LINGER_S: Final = 1.0
"""For so long what still arrives is thrown away: a connection that is closed under it loses the answer."""


class _OverLimitError(Exception):
    """Ends httptools' parsing; uvicorn asks for a 400 then."""


class Connection(HttpToolsProtocol):
    """Bounds what a caller may send before a request is one.

    Invariant: `_undecided` is the number of bytes since the parser reported something that lasts: the begin of a
    message, the end of its head, a piece or the end of its body. Until then it keeps them, and joins them in quadratic
    time.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        shared: Connections,
        metrics: Metrics,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._shared = shared
        self._metrics = metrics
        self._limit = shared.settings.max_header_bytes
        self._undecided = 0
        self._decided = False
        self._data_at = 0.0
        self._in_head = False
        self._header_bytes = 0
        self._too_large = False
        self._refused = False

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request has arrived."""
        return self._in_head

    @property
    def quiet_s(self) -> float:
        """See `Held`."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.more_body:
            return 0.0
        return self.loop.time() - self._data_at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._shared.admit(self, self.connections)  # type: ignore[arg-type]  # the server makes no others

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._shared.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._refused:
            return
        self._decided = False
        self._data_at = self.loop.time()
        super().data_received(data)
        self._undecided = 0 if self._decided else self._undecided + len(data)
        if self._undecided > self._limit and not self._refused:
            self._too_large = True
            self.send_400_response("")

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._shared.is_unread(self)
        super().pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._shared.is_read(self)
        super().resume_writing()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._decided = True
        self._in_head = True
        self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._count_header(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; those after a chunked body are not the request's."""
        self._count_header(len(name) + len(value))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._decided = True
        self._in_head = False
        self._shared.has_head(self)
        if len(self.pipeline) >= _MOST_PIPELINED:
            raise _OverLimitError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which is handed on as it is."""
        self._decided = True
        cycle: RequestResponseCycle = self.cycle
        if not cycle.body:  # uvicorn would copy the piece into an array, and that again into bytes
            cycle.body = b""  # type: ignore[assignment]  # which gives the piece itself where it is added to this
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of the body."""
        self._decided = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is sent; the next request, or the rest of this one, has its time from now on."""
        is_next_there = bool(self.pipeline)
        super().on_response_complete()
        if not (is_next_there or self.transport.is_closing()):
            self._shared.wait(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 the name is uvicorn's, the words are ours
        """Answer what the parser cannot read."""
        if self._too_large:
            self._shared.count("header_too_large")
            self.refuse(HeadersTooLargeError(_too_large(self._limit)))
        else:
            self._shared.count("malformed")
            self.refuse(MalformedRequestError("this is not a request of HTTP/1.1; let an HTTP library write it"))

    def refuse(self, error: CxrError, *, at_once: bool = False) -> None:
        """Answer with a problem, and close; an answer that has begun is not disturbed, only cut.

        Args:
            error: what the problem reports.
            at_once: whether the caller's own bytes are not waited for, which may cost it the answer.
        """
        self._refused = True
        self._shared.has_head(self)
        if self.transport.is_closing():
            return
        begun: RequestResponseCycle | None = self.cycle  # uvicorn's type leaves out that there may be none yet
        if begun is not None and not begun.response_complete:
            self.transport.close()
            return
        request_id = f"{random.getrandbits(128):032x}"
        response = problem_response(error, request_id)
        lines = {
            **dict(SECURITY_LINES),
            **dict(response.raw_headers),
            b"x-request-id": request_id.encode(),
            b"connection": b"close",
        }
        head = b"".join(name + b": " + value + b"\r\n" for name, value in lines.items())
        self.transport.write(STATUS_LINE[response.status_code] + head + b"\r\n" + bytes(response.body))
        self._metrics.http_requests.labels("other", "other", str(response.status_code)).inc()
        if at_once:
            self.transport.close()
            return
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.drop)

    def drop(self) -> None:
        """Close at once."""
        self._refused = True
        self.transport.abort()

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._in_head and (self._header_bytes > self._limit or len(self.headers) >= _MOST_HEADERS):
            self._too_large = True
            raise _OverLimitError


def _too_large(limit: int) -> str:
    return (
        f"request line and headers are over {limit} bytes or {_MOST_HEADERS} lines; send films as the body, and fewer "
        "cookies"
    )
