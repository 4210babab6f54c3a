"""Who is let in: connections are held to bounds before they are associations, and refused in the protocol's own words.

A connection costs one thread and at most `LARGEST_REQUEST_BYTES` until its request for an association is whole. Where
too many are only begun, the oldest is closed: whoever opens connections and sends nothing keeps nobody out.

Source: DICOM PS3.8 9.3.2 (A-ASSOCIATE-RQ), 9.3.4 (A-ASSOCIATE-RJ).
"""

import contextlib
import ipaddress
import socket
import ssl
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from service.dimse.bounded import read_exactly
from service.settings import DimseSettings

REQUEST_S: Final = 10.0
"""For the handshake of TLS and the whole request; the ARTIM timer of PS3.8 9.1.5."""
LARGEST_REQUEST_BYTES: Final = 256 * 1024
"""128 presentation contexts with 40 transfer syntaxes each are 200 kB."""
MOST_BEGUN: Final = 64
"""Connections whose request is not whole."""

_HEAD: Final = struct.Struct(">BxL")
_REQUEST: Final = 0x01
_TITLES: Final = slice(10, 26), slice(26, 42)
"""Called and calling AE title, in bytes of the PDU."""
_CUT_OFF: Final = "the connection ended within the request"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Result, source and reason of an A-ASSOCIATE-RJ, and what the metrics call it."""

    name: str
    result: int
    source: int
    reason: int

    @property
    def pdu(self) -> bytes:
        """The whole A-ASSOCIATE-RJ."""
        return struct.pack(">BxLxBBB", 0x03, 4, self.result, self.source, self.reason)


CALLED_TITLE: Final = Refusal("title", 1, 1, 7)
CALLING_TITLE: Final = Refusal("title", 1, 1, 3)
FULL: Final = Refusal("full", 2, 3, 2)
"""Transient, local limit exceeded: the sender tries again."""
ABORT: Final = bytes((0x07, 0, 0, 0, 0, 4, 0, 0, 2, 0))
"""A-ABORT by the service provider. Source: PS3.8 9.3.8."""


class DoorError(Exception):
    """A connection that comes to nothing; its text is what the metrics call it."""


@dataclass(slots=True)
class Door:
    """The connections that are only begun, and the places of those that are associations.

    Invariant: at most `MOST_BEGUN` are begun, and at most `max_associations` places are taken.
    """

    settings: DimseSettings
    tls: ssl.SSLContext | None = None
    _begun: dict[int, tuple[float, socket.socket]] = field(default_factory=dict)
    """By the connection's identity, oldest first; since when."""
    _evicted: set[int] = field(default_factory=set)
    _taken: int = 0
    _lock: Any = field(default_factory=Lock)

    def lets_in(self, address: str) -> bool:
        """Whether this address may call: it is this machine's own, or one of the settings."""
        networks = self.settings.calling_addresses
        found: Any = ipaddress.ip_address(address.partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        return not networks or found.is_loopback or any(found in network for network in networks)

    def begin(self, connection: socket.socket) -> None:
        """A connection was accepted; the oldest that is only begun makes room for it."""
        with self._lock:
            while len(self._begun) >= MOST_BEGUN:
                self._evict(next(iter(self._begun)))
            self._begun[id(connection)] = (time.monotonic(), connection)

    def sweep(self) -> None:
        """Close connections that were begun too long ago, whatever they send now and then."""
        latest = time.monotonic() - REQUEST_S
        with self._lock:
            for name in [name for name, (since, _) in self._begun.items() if since < latest]:
                self._evict(name)

    def request_of(self, connection: socket.socket) -> tuple[Any, bytes]:
        """The connection, behind TLS where it is spoken, and its whole request for an association.

        Raises:
            DoorError: there is none.
        """
        name = id(connection)
        current = connection
        try:
            if self.tls is not None:
                current = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                self._replace(name, current)
                current.settimeout(REQUEST_S)
                current.do_handshake()
            return current, self._read(current)
        except ssl.SSLError as error:
            raise DoorError(self._reason(name, "tls")) from error
        except TimeoutError as error:
            raise DoorError(self._reason(name, "late")) from error
        except (OSError, ValueError) as error:
            raise DoorError(self._reason(name, "closed")) from error
        finally:
            with self._lock:
                self._begun.pop(name, None)
                self._evicted.discard(name)
            if sys.exc_info()[0] is not None:
                current.close()

    def refusal_of(self, request: bytes, address: str) -> Refusal | None:
        """Why a request gets no association; None: it gets one, and a place is taken."""
        called, calling = (request[place].decode("ascii", "replace").strip() for place in _TITLES)
        if called != self.settings.ae_title:
            return CALLED_TITLE
        titles = self.settings.calling_titles
        is_own = calling == self.settings.ae_title and ipaddress.ip_address(address.partition("%")[0]).is_loopback
        if titles and calling not in titles and not is_own:
            return CALLING_TITLE
        with self._lock:
            if self._taken >= self.settings.max_associations:
                return FULL
            self._taken += 1
        return None

    def leave(self) -> None:
        """An association has ended: its place is free."""
        with self._lock:
            self._taken -= 1

    @property
    def begun(self) -> int:
        """How many connections are only begun."""
        return len(self._begun)

    @staticmethod
    def _read(connection: Any) -> bytes:
        head = read_exactly(connection, _HEAD.size, REQUEST_S)
        if len(head) < _HEAD.size:
            raise ConnectionError(_CUT_OFF)
        kind, length = _HEAD.unpack(head)
        if kind != _REQUEST or not _TITLES[1].stop <= length + _HEAD.size <= LARGEST_REQUEST_BYTES:
            with contextlib.suppress(OSError):
                connection.sendall(ABORT)
            msg = "malformed"
            raise DoorError(msg)
        rest = read_exactly(connection, length, REQUEST_S)
        if len(rest) < length:
            raise ConnectionError(_CUT_OFF)
        return bytes(head + rest)

    def _replace(self, name: int, connection: socket.socket) -> None:
        """The connection behind TLS has taken over that of this name."""
        with self._lock:
            if name not in self._begun:
                msg = "it was evicted before its handshake"
                raise ConnectionError(msg)
            since, _ = self._begun[name]
            self._begun[name] = (since, connection)

    def _evict(self, name: int) -> None:
        _, connection = self._begun.pop(name)
        self._evicted.add(name)
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # beneath TLS; its thread closes it

    def _reason(self, name: int, otherwise: str) -> str:
        return "evicted" if name in self._evicted else otherwise


def reject(connection: Any, refusal: Refusal) -> None:
    """Send the refusal, and let the sender read it before the connection is closed."""
    with contextlib.suppress(OSError):
        connection.settimeout(1.0)
        connection.sendall(refusal.pdu)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


RESULTS: Final[Mapping[str, str]] = {
    "released": "the sender ended it in order",
    "aborted": "either side ended it early",
    "closed": "the connection ended before its association did",
    "address": "the address may not call",
    "title": "the called or the calling AE title may not",
    "full": "as many associations as may be",
    "evicted": "only begun, and closed for younger ones or for its age",
    "late": "nothing, or too slowly",
    "malformed": "no request for an association",
    "tls": "no TLS, or no certificate that is trusted",
}
"""Every value of the label `result` of cxr_dimse_connections_total."""
