"""The span in which the code runs, and spans below it; without one every call here does nothing. No OpenTelemetry here.

An attribute names a stage, a status, a bundle or a machine of the operator: never an address with UIDs in it, a header,
a text of an error or a value of a film.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, Protocol

from structlog.typing import EventDict

from schemas.errors import CxrError

Attributes = Mapping[str, str | int | float | bool]
Kind = Literal["internal", "server", "client", "producer", "consumer"]
Carrier = Mapping[str, str]
"""`traceparent` and `tracestate`, as W3C Trace Context writes them; empty: no trace."""
NO_CARRIER: Final[Carrier] = MappingProxyType({})
TRACESTATE_LENGTH: Final = 512
"""What each system must pass on at least (Trace Context 3.3.1.5), and this one at most."""


class Span(Protocol):
    """One span that has begun."""

    @property
    def recording(self) -> bool:
        """Whether it is sampled; of one that is not, the carrier alone is passed on."""
        ...

    @property
    def ids(self) -> Mapping[str, str]:
        """`trace_id` and `span_id`, in hexadecimal."""
        ...

    @property
    def carrier(self) -> Carrier:
        """Itself as the parent of what another process does."""
        ...

    def child(self, name: str, kind: Kind, attributes: Attributes, start_ns: int | None = None) -> "Span":
        """Begin one below it; `start_ns` since 1970, None: now."""
        ...

    def rename(self, name: str) -> None:
        """Give it the name that was not known at its begin."""
        ...

    def set(self, attributes: Attributes) -> None:
        """Add what became known."""
        ...

    def fail(self, error_type: str) -> None:
        """State that the work failed; `error_type` is one of few."""
        ...

    def end(self, at_ns: int | None = None) -> None:
        """End it, now or in the past."""
        ...


class Running:
    """A span as the current one of a `with` block; an error that leaves the block is its failure."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[Span | None]

    def __enter__(self) -> Span:
        self._token = _current.set(self._span)
        return self._span

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _current.reset(self._token)
        if error is not None:
            self._span.fail(error_type_of(error))
        self._span.end()


_current: ContextVar[Span | None] = ContextVar("span", default=None)
_NOTHING: Final[AbstractContextManager[Span | None]] = nullcontext()


def current() -> Span | None:
    """The span in which this code runs; None: there is none."""
    return _current.get()


def stage(
    name: str, kind: Kind = "internal", attributes: Attributes = NO_CARRIER
) -> AbstractContextManager[Span | None]:
    """A span below the current one, around a `with` block; nothing where there is none, or it is not sampled."""
    parent = _current.get()
    if parent is None or not parent.recording:
        return _NOTHING
    return Running(parent.child(name, kind, attributes))


def past(name: str, start_s: float, seconds: float, attributes: Attributes = NO_CARRIER) -> None:
    """A span of work that is over, below the current one.

    Args:
        name: of the stage.
        start_s: by `time.perf_counter`.
        seconds: how long it took.
        attributes: what is known of it.
    """
    parent = _current.get()
    if parent is None or not parent.recording:
        return
    start_ns = time.time_ns() - round((time.perf_counter() - start_s) * 1e9)
    parent.child(name, "internal", attributes, start_ns).end(start_ns + round(seconds * 1e9))


def carrier() -> Carrier:
    """The current span for another process, or for later; empty where there is none."""
    span = _current.get()
    return NO_CARRIER if span is None else span.carrier


def exemplar() -> dict[str, str] | None:
    """Of an observation that is made now; None where no trace shows it."""
    span = _current.get()
    return dict(span.ids) if span is not None and span.recording else None


def note_failure(error: BaseException) -> None:
    """The current span's work failed, and the error is handled inside of it."""
    span = _current.get()
    if span is not None:
        span.fail(error_type_of(error))


def error_type_of(error: BaseException) -> str:
    """The problem's code, or the class: never the text."""
    return error.code if isinstance(error, CxrError) else type(error).__name__


def add_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A processor of structlog: `trace_id` and `span_id` of the current span, where it is sampled."""
    span = _current.get()
    if span is not None and span.recording:
        event.update(span.ids)
    return event


class Tracing(Protocol):
    """What begins traces; `OFF` begins none."""

    @property
    def on(self) -> bool:
        """Whether it begins any."""
        ...

    def begin(
        self, name: str, kind: Kind = "internal", attributes: Attributes = NO_CARRIER, carried: Carrier = NO_CARRIER
    ) -> AbstractContextManager[Span | None]:
        """A span around a `with` block: below what is carried, else below the current one, else of a new trace."""
        ...

    def running(self) -> AbstractContextManager[None]:
        """Send what ends meanwhile; at the end what is left, within a bound of time."""
        ...


class _Off:
    """No traces."""

    on: Final = False

    def begin(self, *_: object, **__: object) -> AbstractContextManager[None]:
        return nullcontext()

    def running(self) -> AbstractContextManager[None]:
        return nullcontext()


OFF: Final[Tracing] = _Off()


class Traced(Protocol):
    """What is claimed of a queue, with the trace that brought it there."""

    @property
    def carrier(self) -> Carrier:
        """Of who put it there."""
        ...

    @property
    def attempts(self) -> int:
        """This one included."""
        ...


def around_claims(tracing: Tracing, name: str) -> Callable[[Any], AbstractContextManager[Span | None]]:
    """What begins the span of the work on a claim, a `Traced`: below the one that brought it, however long ago.

    A parent, not a link: each message is one film, worked on alone, so that one trace is the whole story of a film.
    """

    def begin(claim: Traced) -> AbstractContextManager[Span | None]:
        return tracing.begin(name, "consumer", {"cxr.attempt": claim.attempts}, claim.carrier)

    return begin
