"""pynetdicom with bounds: how long a PDU, a command and an object may be, how long they may take, and all of them."""

import contextlib
import io
import time
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from prometheus_client import Gauge
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import N_EVENT_REPORT_RQ, DIMSEMessage
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

LARGEST_COMMAND_BYTES: Final = 64 * 1024
"""Of a command set; a C-STORE request has about 300."""
MOST_WAITING: Final = 8
"""Messages of one association; a sender that waits for its answers, as it must (PS3.7 D.3.3.3), has one."""
MOST_EVENTS: Final = 16
"""Event reports of one association: pynetdicom gives each a thread of its own, and an archive sends one."""
_CHUNK: Final = 256 * 1024
_MALFORMED: Final = "Evt19"
"""pynetdicom's event of an invalid PDU: it answers with A-ABORT. Source: PS3.8 table 9-5."""

_CLOSING: Final = "Sta13"
"""pynetdicom's state after an A-ABORT, while the other side should close. Source: PS3.8 table 9-10."""
_CLOSING_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one sender may take."""

    pdu_bytes: int
    object_bytes: int
    idle_s: float
    """For a PDU to arrive, and for nothing to be sent."""
    object_s: float
    """For an object to arrive."""


class Room:
    """The bytes that the objects of all associations may take together.

    Invariant: what was taken and not given back is between 0 and the whole.
    """

    def __init__(self, whole_bytes: int, gauge: Gauge) -> None:
        self._whole_bytes = whole_bytes
        self._taken_bytes = 0
        self._lock = Lock()
        self._gauge = gauge

    def take(self, size_bytes: int) -> bool:
        """Take so many; False where there are not as many left."""
        with self._lock:
            if self._taken_bytes + size_bytes > self._whole_bytes:
                return False
            self._taken_bytes += size_bytes
        self._gauge.inc(size_bytes)
        return True

    def give_back(self, size_bytes: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._taken_bytes -= size_bytes
        self._gauge.dec(size_bytes)


class ObjectBuffer(io.BytesIO):
    """The bytes of one object as they arrive; those beyond a bound are counted and forgotten, to be answered in order.

    Invariant: what it holds was taken from the room, and is given back when it is closed or forgotten.
    """

    def __init__(self, room: Room, largest_bytes: int) -> None:
        super().__init__()
        self._room = room
        self._largest_bytes = largest_bytes
        self._held_bytes = 0
        self.too_large = False
        self.no_room = False

    def write(self, data: Any, /) -> int:
        """Append, or forget everything where a bound is crossed."""
        size = len(data)
        if self.too_large or self.no_room:
            return size
        self.too_large = self._held_bytes + size > self._largest_bytes
        self.no_room = not self.too_large and not self._room.take(size)
        if self.too_large or self.no_room:
            self._forget()
            return size
        self._held_bytes += size
        return super().write(data)

    def take_out(self) -> None:
        """Its bytes were copied: they go, and their place in the room is kept for the copy until it is closed."""
        self.truncate(0)

    def close(self) -> None:
        """Forget the bytes."""
        if not self.closed:
            self._forget()
        super().close()

    def __del__(self) -> None:
        self.close()

    def _forget(self) -> None:
        with contextlib.suppress(BufferError):  # somebody reads its memory now; it goes with the buffer
            self.truncate(0)
        held = self._held_bytes
        self._held_bytes = 0
        self._room.give_back(held)


class BoundedDimse(DIMSEServiceProvider):
    """The messages of one association; what breaks a bound, or cannot be read, ends it."""

    def __init__(self, association: Association, bounds: Bounds, room: Room) -> None:
        super().__init__(association)
        self._bounds = bounds
        self._room = room
        self._began_at = 0.0
        self._events = 0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the next part of a message."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = ObjectBuffer(self._room, self._bounds.object_bytes)
            self._began_at = time.monotonic()
        message = self.message
        try:
            super().receive_primitive(primitive)
        except Exception:  # noqa: BLE001 pynetdicom raises whatever reading hostile bytes leads to, and would lose the thread
            self._end()
            return
        self._events += isinstance(message, N_EVENT_REPORT_RQ) and message is not self.message
        is_long = message.encoded_command_set.tell() > LARGEST_COMMAND_BYTES
        is_late = message is self.message and time.monotonic() - self._began_at > self._bounds.object_s
        if is_long or is_late or self._events > MOST_EVENTS or self.msg_queue.qsize() > MOST_WAITING:
            self._end()

    def forget(self) -> None:
        """Give back what half-received and waiting objects hold; the association has ended."""
        if isinstance(buffer := getattr(self.message, "data_set", None), ObjectBuffer):
            buffer.close()
        self.message = None
        while not self.msg_queue.empty():
            _, primitive = self.msg_queue.get_nowait()
            if isinstance(buffer := getattr(primitive, "DataSet", None), ObjectBuffer):
                buffer.close()

    def _end(self) -> None:
        self.forget()
        self.dul.event_queue.put(_MALFORMED)


class BoundedSocket(AssociationSocket):
    """The connection of one association, whose first bytes were read before there was one."""

    def __init__(self, association: Association, connection: Any, bounds: Bounds, first: bytes = b"") -> None:
        super().__init__(association, client_socket=connection)
        self._bounds = bounds
        self._first = first
        connection.settimeout(bounds.idle_s)  # also of sending: who does not read is cut off

    @property
    def ready(self) -> bool:
        """Whether there is something to read."""
        return bool(self._first) or super().ready

    def recv(self, nr_bytes: int) -> bytearray:
        """Read this many bytes in time.

        Raises:
            OSError: the PDU is longer than announced to the sender, or late, or the connection broke.
        """
        if nr_bytes > self._bounds.pdu_bytes:
            msg = "the PDU is longer than the bound"
            raise OSError(msg)
        taken = bytearray(self._first[:nr_bytes])
        self._first = self._first[nr_bytes:]
        is_over = self.assoc.dul.state_machine.current_state == _CLOSING
        return read_exactly(self.socket, nr_bytes, _CLOSING_S if is_over else self._bounds.idle_s, taken)


def read_exactly(connection: Any, size: int, within_s: float, taken: bytearray | None = None) -> bytearray:
    """Read `size` bytes, fewer where the connection ends.

    Raises:
        OSError: it broke, or they did not arrive `within_s`.
    """
    bytes_read = bytearray() if taken is None else taken
    deadline = time.monotonic() + within_s
    while len(bytes_read) < size:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        part = connection.recv(min(_CHUNK, size - len(bytes_read)))
        if not part:
            break
        bytes_read += part
        if time.monotonic() > deadline:
            msg = "the PDU did not arrive in time"
            raise TimeoutError(msg)
    connection.settimeout(within_s)
    return bytes_read
