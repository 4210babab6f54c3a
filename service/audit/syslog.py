"""A copy of each line to syslog, which those who can alter the file cannot alter."""

import contextlib
import socket
from typing import Any, Final
from urllib.parse import urlsplit

PRIORITY: Final = 13 * 8 + 5
"""Facility 13 (log audit), severity 5 (notice). Source: RFC 5424 table 1 and 2."""

PORT: Final = 514
TIMEOUT_S: Final = 0.5
"""A local syslog whose buffer is full must not hold films up."""


class Syslog:
    """Sends lines as datagrams to `udp://HOST:PORT` or a local socket such as /dev/log; without an address, nowhere."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def send(self, line: bytes) -> None:
        """Send one line.

        Raises:
            OSError: nobody receives it.
        """
        if self._address is None:
            return
        if self._socket is None:
            self._socket = _connect(self._address)
        try:
            self._socket.send(b"<%d>cxr-audit: %s" % (PRIORITY, line.rstrip(b"\n")))
        except OSError:
            self.close()  # a syslog that was started again has another socket behind the same name
            raise

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connect(address: str) -> socket.socket:
    family: int = socket.AF_UNIX
    where: Any = address  # its type depends on the family
    if not address.startswith("/"):
        parts = urlsplit(address)
        family, _, _, _, where = socket.getaddrinfo(parts.hostname, parts.port or PORT, type=socket.SOCK_DGRAM)[0]
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        connection.settimeout(TIMEOUT_S)
        connection.connect(where)
        stack.pop_all()
    return connection
