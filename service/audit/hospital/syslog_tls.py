"""Syslog with TLS: a connection, and messages in the form that it takes.

Source: RFC 5424 6 (format), 7.3.1 (sequenceId); RFC 5425 4.3 (octet counting); DICOM PS3.15 A.6.1.
"""

import contextlib
import os
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from service.outgoing.tls import ClientTls

PRIORITY: Final = 10 * 8 + 5
"""Facility 10 (security and authorization), severity 5 (notice). Source: DICOM PS3.15 A.6.1."""
MESSAGE_ID: Final = "DICOM+RFC3881"
TIMEOUT_S: Final = 10.0
BOM: Final = b"\xef\xbb\xbf"


def frame(message: bytes, *, at: str, host: str, sequence: int) -> bytes:
    """A message with its header and its length.

    Args:
        message: in UTF-8.
        at: when it happened, RFC 3339.
        host: name of this machine.
        sequence: number of the record: a receiver knows a repetition by it.
    """
    header = f'<{PRIORITY}>1 {at} {host} cxr {os.getpid()} {MESSAGE_ID} [meta sequenceId="{sequence}"] '
    whole = header.encode() + BOM + message
    return b"%d %s" % (len(whole), whole)


class SyslogConnection:
    """One connection to `tls://HOST:PORT`."""

    def __init__(self, address: str, tls: ClientTls) -> None:
        """Open it.

        Raises:
            OSError: it does not come about.
        """
        parts = urlsplit(address)
        tls.refresh()
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection((parts.hostname, parts.port), TIMEOUT_S))
            self._socket = tls.context.wrap_socket(plain, server_hostname=parts.hostname)
            stack.pop_all()

    def send(self, content: bytes) -> None:
        """Send a frame.

        Raises:
            OSError: the connection is broken.
        """
        self._socket.sendall(content)

    def check(self) -> None:
        """Look whether the other side has ended the connection; it sends nothing else.

        Raises:
            OSError: it has.
        """
        self._socket.settimeout(0.0)
        try:
            if not self._socket.recv(1024):
                msg = "the repository ended the connection"
                raise ConnectionResetError(msg)
        except (ssl.SSLWantReadError, BlockingIOError):
            pass  # nothing came: it is open
        finally:
            self._socket.settimeout(TIMEOUT_S)

    def finish(self) -> bool:
        """End the connection; whether the other side has confirmed that it read everything."""
        try:
            self._socket.unwrap().close()
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """End the connection at once."""
        self._socket.close()
