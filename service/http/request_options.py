"""What a caller asks for in addition to the answer: how urgent it is, and until when it is wanted, or waited for."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, TypeVar

from fastapi import Header, Query, Request
from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import ClientDisconnect

from imaging.radiograph import NOTHING_STATED, HeaderFacts
from schemas.errors import DeadlineError, InvalidParameterError
from service.capacity.admission import Priority
from service.films.look import Upload
from service.http.current import services_in
from service.http.parameters import Parameter
from service.metrics import Metrics
from service.reading.stated import stated_facts
from service.settings import DeadlineMs

Result = TypeVar("Result")

DEADLINE_HEADER: Final = "X-Deadline-Ms"
PRIORITY_HEADER: Final = "X-Priority"
POPULATION_HEADER: Final = "X-Population"
AGE_HEADER: Final = "X-Age"
VIEW_HEADER: Final = "X-View"
_DIGITS: Final = 12  # more than any limit has; int() refuses thousands, and no float holds what has hundreds

DeadlineHeader = Annotated[
    DeadlineMs | SkipJsonSchema[None],  # absent, but never null
    Header(alias=DEADLINE_HEADER, description="give up with 504 after this many milliseconds"),
]


# Words are compared without regard to case: DICOM writes STAT, and an urgent film must not be refused for it.
AnyCase = Annotated[
    Priority | SkipJsonSchema[None], BeforeValidator(lambda text: text.lower() if isinstance(text, str) else text)
]
_PRIORITY: Final[Parameter[Priority]] = Parameter(
    Annotated[AnyCase, Query(description="stat goes before routine; default: routine")], "priority"
)
_PRIORITY_LINE: Final[Parameter[Priority]] = Parameter(
    Annotated[AnyCase, Header(alias=PRIORITY_HEADER, description="stat or routine, as the parameter `priority`")]
)
_DEADLINE: Final[Parameter[int]] = Parameter(DeadlineHeader)
OPTIONS: Final = (_PRIORITY, _PRIORITY_LINE, _DEADLINE)
"""The parameters that `options_of` reads."""

_AnyCaseName = Annotated[
    str | SkipJsonSchema[None], BeforeValidator(lambda text: text.lower() if isinstance(text, str) else text)
]
_Stated = str | SkipJsonSchema[None]
_POPULATION: Final[Parameter[str]] = Parameter(
    Annotated[
        _AnyCaseName,
        Query(description="whose film it is, e.g. child: it counts where neither the file nor a bundle can tell"),
    ],
    "population",
)
_POPULATION_LINE: Final[Parameter[str]] = Parameter(
    Annotated[_AnyCaseName, Header(alias=POPULATION_HEADER, description="as the parameter `population`")]
)
_AGE: Final[Parameter[str]] = Parameter(
    Annotated[
        _Stated,
        Query(description="of the patient in years, e.g. 4 or 0.5, or 018M: it counts where the file states none"),
    ],
    "age",
)
_AGE_LINE: Final[Parameter[str]] = Parameter(
    Annotated[
        _Stated, Header(alias=AGE_HEADER, description="as the parameter `age`; addresses stand in the logs of proxies")
    ]
)
_VIEW: Final[Parameter[str]] = Parameter(
    Annotated[_Stated, Query(description="e.g. PA, AP, frontal, lateral: it counts where the file states no view")],
    "view",
)
_VIEW_LINE: Final[Parameter[str]] = Parameter(
    Annotated[_Stated, Header(alias=VIEW_HEADER, description="as the parameter `view`")]
)
WORD: Final = (_POPULATION, _POPULATION_LINE, _AGE, _AGE_LINE, _VIEW, _VIEW_LINE)
"""The parameters that `word_of` reads."""


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The conditions of one request; `arrived` is of `time.perf_counter`."""

    request_id: str
    priority: Priority
    arrived: float
    allowed_ms: int

    @property
    def elapsed_s(self) -> float:
        """Time since the request arrived."""
        return time.perf_counter() - self.arrived

    @asynccontextmanager
    async def deadline(self, metrics: Metrics) -> AsyncIterator[None]:
        """Cancel what runs inside when the caller's time is over.

        Raises:
            DeadlineError: it is.
        """
        try:
            async with asyncio.timeout(self.allowed_ms / 1000 - self.elapsed_s):
                yield
        except TimeoutError as error:
            metrics.shed.labels("deadline").inc()
            msg = (
                f"no answer within {self.allowed_ms} ms; allow more in {DEADLINE_HEADER}, or send fewer images at once"
            )
            raise DeadlineError(msg) from error


def options_of(request: Request) -> RequestOptions:
    """Read the options of a request of films.

    Raises:
        InvalidParameterError: address and header ask for different priorities.
    """
    by_address, by_header = _PRIORITY.of(request), _PRIORITY_LINE.of(request)
    if None not in (by_address, by_header) and by_address != by_header:
        msg = f"the address asks for priority {by_address} and the header {PRIORITY_HEADER} for {by_header}; send one"
        raise InvalidParameterError(msg)
    return options_within(request, _DEADLINE.of(request), by_address or by_header or "routine")


def options_within(request: Request, deadline_ms: int | None, priority: Priority = "routine") -> RequestOptions:
    """The options of a request whose parameters have been read; without a deadline it has that of the service."""
    allowed_ms = services_in(request).limits.deadline_ms if deadline_ms is None else deadline_ms
    return RequestOptions(request.state.request_id, priority, request.state.arrived, allowed_ms)


def _one_of(request: Request, query: Parameter[str], line: Parameter[str], fault: str) -> str | None:
    by_address, by_header = query.of(request), line.of(request)
    if None not in (by_address, by_header) and by_address != by_header:
        msg = f"the address and the header {line.name} {fault}; send one of them"
        raise InvalidParameterError(msg)
    return by_header if by_address is None else by_address


@dataclass(frozen=True, slots=True)
class CallersWord:
    """What a caller says of the films that they send."""

    population: str | None = None
    """Its name; None: they name none."""
    facts: HeaderFacts = NOTHING_STATED

    @property
    def digested(self) -> str:
        """All of it, for a digest alone: it holds the patient's age."""
        return repr((self.population, self.facts.age_years, self.facts.statements))

    def about(self, upload: Upload) -> Upload:
        """A film with this word."""
        return replace(upload, population=self.population, stated=self.facts)


SILENCE: Final = CallersWord()


def word_of(request: Request) -> CallersWord:
    """What the caller of a request says of its films.

    Raises:
        InvalidParameterError: address and header say different things, or an age or a view cannot be read.
    """
    population = _one_of(request, _POPULATION, _POPULATION_LINE, "name different populations")
    age = _one_of(request, _AGE, _AGE_LINE, "state different ages")
    view = _one_of(request, _VIEW, _VIEW_LINE, "state different views")
    return CallersWord(population, stated_facts(age, view))


def peek_number(text: bytes, default: int) -> int:
    """A number of a header before the header is checked: a wrong one counts as `default`, and is refused further in."""
    return int(text) if text.isdigit() and len(text) <= _DIGITS else default


def peek_priority(query: bytes) -> Priority:
    """The priority before the parameters are checked: whatever is not clearly stat counts as routine."""
    return "stat" if b"priority=stat" in query.lower().split(b"&") else "routine"


async def while_caller_waits(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Do `work`, but give it up as soon as the caller closes the connection.

    Args:
        request: its body has been read, so the next event can only be that the caller leaves.
        work: cancelled when they do.

    Raises:
        ClientDisconnect: the caller left.
    """
    waiter = asyncio.current_task()
    assert waiter is not None  # noqa: S101 a coroutine is run by a task
    has_left = is_over = False

    def give_up(departure: asyncio.Task[None]) -> None:
        nonlocal has_left
        if departure.cancelled():
            return
        departure.exception()  # looked at, so that asyncio does not log it: the connection has failed
        if not is_over:
            has_left = True
            waiter.cancel()

    departure = asyncio.create_task(_departure(request))
    departure.add_done_callback(give_up)
    try:
        return await work
    except asyncio.CancelledError:
        # As `asyncio.timeout` does: where somebody else has cancelled it too, their reason goes first.
        if has_left and waiter.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        is_over = True
        departure.cancel()


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
