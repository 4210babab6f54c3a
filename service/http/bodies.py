"""The bodies that are arriving, and the bytes that each holds; one that has stopped gives way where room is short."""

from typing import Final

from starlette.types import Message, Receive, Scope

from schemas.errors import OverloadedError
from service.capacity.admission import Admission
from service.http.body_clock import BodyClock
from service.security.callers import ANONYMOUS, Caller
from service.settings import ConnectionSettings

STOPPED_S: Final = 1.0
"""A body that has brought nothing for so long is ended by others that need its room; a network pauses less."""


STREAMED: Final = "/jobs"
ARCHIVE_TYPES: Final = frozenset({"application/zip", "application/x-zip-compressed", "application/x-tar"})
"""The bodies that go to the disk as they arrive: their bytes are not held, and all of them may take a day."""
STREAM_S: Final = 86_400.0


class Bodies:
    """All bodies of one app."""

    def __init__(self, admission: Admission, settings: ConnectionSettings) -> None:
        self.admission = admission
        self._settings = settings
        self._arriving: dict[Body, None] = {}

    def begin(self, scope: Scope) -> "Body":
        """The body of a request, of which nothing has arrived."""
        is_streamed = scope["path"] == STREAMED and _media_type(scope) in ARCHIVE_TYPES
        settings = self._settings.model_copy(update={"upload_timeout_s": STREAM_S}) if is_streamed else self._settings
        body = Body(self, BodyClock(settings), scope, counted=not is_streamed)
        self._arriving[body] = None
        return body

    def forget(self, body: "Body") -> None:
        """Its request is over."""
        self._arriving.pop(body, None)

    def make_room(self, size: int, caller: str = "", held: int = 0) -> None:
        """End bodies that have stopped, where `size` more bytes do not fit; see `Admission.take_bytes`."""
        shortage = self.admission.shortage(size, caller, held)
        if shortage is None:
            return
        for body in list(self._arriving):
            if body.stopped_s > STOPPED_S and (shortage == "bytes" or body.caller == caller):
                body.give_way()


class Body:
    """The body of one request, whose bytes are counted as they arrive.

    Invariant: `_held` bytes are counted for it, until the request is over or the body gives way.
    """

    def __init__(self, bodies: Bodies, clock: BodyClock, scope: Scope, *, counted: bool) -> None:
        self._bodies = bodies
        self._clock = clock
        self._scope = scope
        self._counted = counted
        self._held = 0
        self.caller = ""

    @property
    def stopped_s(self) -> float:
        """Time since it brought bytes; 0 where nobody waits for them."""
        return self._clock.stopped_s

    async def receive(self, receive: Receive) -> Message:
        """The next message.

        Raises:
            UploadTooSlowError: it did not come in time.
            OverloadedError: there is no room for it, or it gave way to others.
            QuotaError: its caller holds too much.
        """
        message = await self._clock.receive(receive)
        if self._counted and (size := len(message.get("body", b""))):
            self.caller = self.caller or _caller_of(self._scope)
            self._bodies.make_room(size, self.caller, self._held)
            self._bodies.admission.take_bytes(size, self.caller, self._held)
            self._held += size
        return message

    def give_way(self) -> None:
        """End it, and count its bytes as free: they are, as soon as its request has ended."""
        msg = f"the body brought nothing for {STOPPED_S:g} s, and others need its room; send it again"
        self._clock.interrupt(OverloadedError(msg))
        self.end()

    def end(self) -> None:
        """The request is over."""
        self._clock.close()
        self._bodies.forget(self)
        if self._held:
            self._bodies.admission.give_back_bytes(self._held, self.caller)
            self._held = 0


def _caller_of(scope: Scope) -> str:
    """Whose bytes these are: the caller whom the gate let in, and of those without a key each by their address."""
    caller: Caller | None = scope.get("state", {}).get("caller")
    if caller is not None and caller.identity != ANONYMOUS.identity:
        return caller.identity
    return f"address:{(scope.get('client') or ('',))[0]}"


def _media_type(scope: Scope) -> str:
    lines = (value for name, value in scope["headers"] if name == b"content-type")
    return str(next(lines, b"").partition(b";")[0].strip().lower().decode("latin-1"))
