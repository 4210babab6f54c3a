"""What the process reports to systemd: that it listens, that it is alive, that it ends and how long that may take."""

import os
import socket
from collections.abc import MutableMapping
from typing import Final

import structlog

_SPARE_S: Final = 5.0
"""Beyond the process's own end, which is exact: systemd's SIGKILL is for a process that cannot even end itself."""

log = structlog.get_logger("service")


class Notification:
    """Datagrams to the socket of systemd's `Type=notify`; without one every call does nothing.

    Source: sd_notify(3), "Standalone Implementations" of the protocol.
    """

    def __init__(self, address: str | None) -> None:
        self._address = None if address is None else "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> "Notification":
        """The socket that systemd names; children do not inherit the name, because they must not report."""
        return cls(environment.pop("NOTIFY_SOCKET", None))

    def ready(self) -> None:
        """The service listens; whether a bundle serves, /readyz reports."""
        self._send("READY=1")

    def alive(self) -> None:
        """No loop has died and the event loop turns; systemd restarts a service that stops reporting this."""
        self._send("WATCHDOG=1")

    def stopping(self, end_s: float) -> None:
        """The end has begun and takes at most `end_s` seconds, whatever TimeoutStopSec says."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round((end_s + _SPARE_S) * 1e6)}")

    def _send(self, state: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # noqa: FBT003 the name is the library's
                sender.connect(self._address)
                sender.send(state.encode())
        except OSError as error:
            log.warning("notification_failed", reason=error.strerror)
