"""Event reports of the origin server by WebSocket, of which one kind matters: somebody asks to cancel a workitem.

A client that only listens: text messages in, pongs out; bounded, and opened again whenever it breaks.
Source: RFC 6455; DICOM PS3.18 8.10.4 (Open Notification Connection), 11.13; PS3.4 table CC.2.4-1 (event types).
"""

import base64
import contextlib
import hashlib
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import structlog

from schemas.errors import CxrError
from service.dicomweb.verdict import BACKOFF
from service.worklist.workitem import items_of

EVENT_TYPE: Final = "00001002"
AFFECTED_INSTANCE: Final = "00001000"
CANCEL_REQUESTED: Final = 2
LARGEST_MESSAGE_BYTES: Final = 1024 * 1024
_LARGEST_HEAD_BYTES: Final = 16 * 1024
_SILENCE_S: Final = 60.0
"""After which a ping shows whether the connection still stands."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_CONTROL: Final = 0x8
_PORTS: Final = {"ws": 80, "wss": 443}

log = structlog.get_logger("service.worklist")


class Frame(NamedTuple):
    """One frame."""

    opcode: int
    is_last: bool
    payload: bytes


@dataclass(slots=True)
class Channel:
    """The connection over which event reports come; one for all subscriptions of an AE title."""

    origin_url: str
    """Of the worklist: the WebSocket must be of the same host, and as well protected."""
    context: ssl.SSLContext
    credentials: Callable[[], Mapping[str, str]]
    on_cancel: Callable[[str], None]
    """Called in a thread of the channel with the UID of a workitem."""
    _address: str | None = field(default=None, init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _connection: "Connection | None" = field(default=None, init=False)

    def listen(self, address: str) -> None:
        """Listen at this address, unless it is done already."""
        with self._lock:
            if self._address is not None:
                return
            if not self._is_allowed(urlsplit(address)):
                log.warning("subscription_not_followed", reason="its WebSocket is not one of the worklist's own host")
                return
            self._address = address
        threading.Thread(target=self._run, args=(address,), name="channel", daemon=True).start()

    def stop(self) -> None:
        """Close it, and open it no more."""
        self._stopping.set()
        if self._connection is not None:
            self._connection.close()

    def _is_allowed(self, address: SplitResult) -> bool:
        origin = urlsplit(self.origin_url)
        schemes = ("wss",) if origin.scheme == "https" else ("ws", "wss")
        return address.scheme in schemes and address.hostname == origin.hostname

    def _run(self, address: str) -> None:
        attempts = 0
        while not self._stopping.is_set():
            try:
                with contextlib.closing(self._connect(urlsplit(address))) as connection:
                    self._connection = connection
                    attempts = 0
                    log.info("channel_opened")
                    self._read(connection)
            except (OSError, ValueError, CxrError) as error:
                if not self._stopping.is_set():
                    log.warning("channel_broken", reason=type(error).__name__)
            attempts += 1
            self._stopping.wait(BACKOFF.delay_s(attempts))

    def _connect(self, address: SplitResult) -> "Connection":
        host, port = address.hostname or "", address.port or _PORTS[address.scheme]
        plain = socket.create_connection((host, port), timeout=_SILENCE_S)
        try:
            peer = self.context.wrap_socket(plain, server_hostname=host) if address.scheme == "wss" else plain
            connection = Connection(peer)
            connection.shake_hands(address, self.credentials())
        except BaseException:
            plain.close()
            raise
        return connection

    def _read(self, connection: "Connection") -> None:
        while not self._stopping.is_set():
            report = json.loads(connection.message())
            if items_of(report, EVENT_TYPE)[:1] == [CANCEL_REQUESTED]:
                for uid in items_of(report, AFFECTED_INSTANCE):
                    self.on_cancel(str(uid))


class Connection:
    """A WebSocket from the side of the client."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._buffer = bytearray()

    def shake_hands(self, address: SplitResult, credentials: Mapping[str, str]) -> None:
        """Begin. Source: RFC 6455 4.1.

        Raises:
            OSError: the connection broke.
            ValueError: the server does not speak WebSocket there.
        """
        key = base64.b64encode(os.urandom(16))
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        scheme = "https" if address.scheme == "wss" else "http"
        fields = {
            "Host": address.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Origin": f"{scheme}://{address.netloc}",
            "Sec-WebSocket-Key": key.decode("ascii"),
            "Sec-WebSocket-Version": "13",
            **credentials,
        }
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        self._peer.sendall("\r\n".join(lines).encode("ascii"))
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _LARGEST_HEAD_BYTES:
                raise ValueError
            self._receive()
        status, *headers = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        answered = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
        expected = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode("ascii")
        if status.split()[1:2] != ["101"] or answered.get("sec-websocket-accept") != expected:
            raise ValueError

    def message(self) -> bytes:
        """The next text; pings are answered meanwhile.

        Raises:
            OSError: the connection broke or was closed.
            ValueError: the server breaks the protocol, or sends too much.
        """
        content = bytearray()
        while True:
            frame = self._frame()
            if frame.opcode == _CLOSE:
                raise ConnectionAbortedError
            if frame.opcode == _PING:
                self._send(_PONG, frame.payload)
            if frame.opcode & _CONTROL:
                continue
            content += frame.payload
            if len(content) > LARGEST_MESSAGE_BYTES or frame.opcode not in (_TEXT, _CONTINUATION):
                raise ValueError
            if frame.is_last:
                return bytes(content)

    def close(self) -> None:
        """End, whatever state it is in."""
        with contextlib.suppress(OSError):
            self._send(_CLOSE, b"")
            self._peer.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
        self._peer.close()

    def _frame(self) -> Frame:
        """Source: RFC 6455 5.2; frames of a server are not masked."""
        first, second = self._take(2)
        length = second & 0x7F
        if length >= 126:  # noqa: PLR2004 RFC 6455 5.2
            length = int.from_bytes(self._take(2 if length == 126 else 8))  # noqa: PLR2004
        if second & 0x80 or length > LARGEST_MESSAGE_BYTES:
            raise ValueError
        return Frame(first & 0x0F, bool(first & 0x80), self._take(length))

    def _send(self, opcode: int, payload: bytes) -> None:
        """Source: RFC 6455 5.3: frames of a client are masked."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload[:125]))
        self._peer.sendall(bytes((0x80 | opcode, 0x80 | len(masked))) + mask + masked)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            try:
                self._receive()
            except TimeoutError:
                self._send(_PING, b"")
                self._receive()  # a second silence ends the connection
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _receive(self) -> None:
        received: Any = self._peer.recv(65536)
        if not received:
            raise ConnectionResetError
        self._buffer += received
