"""All connections of the server: how many there may be, and which of them has waited too long."""

import asyncio
import resource
from typing import Final, Protocol

from schemas.errors import CxrError, OverloadedError, UploadTooSlowError
from service.metrics import Metrics
from service.settings import ConnectionSettings

_FILES_KEPT: Final = 128
"""Open files that are left for films, logs, the spool and the network's own."""
_READING_S: Final = 30.0
"""A caller who has not read a part of its answer for so long has left, or holds the connection on purpose."""


class Held(Protocol):
    """One connection."""

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request has arrived."""
        ...

    def refuse(self, error: CxrError, *, at_once: bool = False) -> None:
        """Answer that, and close; `at_once` without waiting for what still arrives."""
        ...

    def drop(self) -> None:
        """Close at once."""
        ...


class Connections:
    """Knows which connections wait for the head of a request, and which for a caller to read its answer.

    Invariant: both are in the order of their beginnings, so that the longest wait is the first.
    """

    def __init__(self, settings: ConnectionSettings, metrics: Metrics) -> None:
        self.settings = settings
        self._metrics = metrics
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = max(1, min(settings.max_connections, files - _FILES_KEPT))
        self._waiting: dict[Held, float] = {}
        self._unread: dict[Held, float] = {}

    def admit(self, connection: Held, present: int) -> None:
        """Take a new connection, the last of `present`; at the limit the longest wait ends, or else it is refused."""
        if present > self._most:
            if not self._waiting:
                self.count("full")
                msg = f"{self._most} connections are open and all are busy; try again shortly"
                connection.refuse(OverloadedError(msg), at_once=True)
                return
            self.count("evicted")
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.drop()
        self.wait(connection)

    def wait(self, connection: Held) -> None:
        """From now on it waits for the head of a request."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = asyncio.get_running_loop().time()

    def has_head(self, connection: Held) -> None:
        """The head has arrived."""
        self._waiting.pop(connection, None)

    def is_unread(self, connection: Held) -> None:
        """Its caller does not read."""
        self._unread.setdefault(connection, asyncio.get_running_loop().time())

    def is_read(self, connection: Held) -> None:
        """Its caller reads again."""
        self._unread.pop(connection, None)

    def forget(self, connection: Held) -> None:
        """It is closed."""
        self._waiting.pop(connection, None)
        self._unread.pop(connection, None)

    def count(self, reason: str) -> None:
        """Count a connection that was closed because of a limit."""
        self._metrics.connections_closed.labels(reason).inc()

    def sweep(self, now: float) -> None:
        """Close those that have waited too long; `now` is of the loop's clock. Called about every second."""
        for connection in _overdue(self._waiting, now - self.settings.header_timeout_s):
            del self._waiting[connection]
            if not connection.has_begun:
                self.count("idle")
                connection.drop()
                continue
            self.count("header_timeout")
            msg = (
                f"the headers of the request did not arrive within {self.settings.header_timeout_s:g} s; send it again"
            )
            connection.refuse(UploadTooSlowError(msg))
        for connection in _overdue(self._unread, now - _READING_S):
            del self._unread[connection]
            self.count("unread")
            connection.drop()


def _overdue(since: dict[Held, float], before: float) -> list[Held]:
    overdue = []
    for connection, start in since.items():
        if start > before:
            break
        overdue.append(connection)
    return overdue
