"""What a caller asks for in addition to the answer: how urgent it is, and until when it is wanted."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Final

from fastapi import Depends, Header, Query, Request
from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema

from imaging.radiograph import NOTHING_STATED, HeaderFacts
from schemas.errors import DeadlineError, InvalidParameterError
from service.capacity.admission import Priority
from service.films.look import Upload
from service.http.current import services_in
from service.metrics import Metrics
from service.reading.stated import stated_facts
from service.settings import DeadlineMs

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
PriorityQuery = Annotated[AnyCase, Query(description="stat goes before routine; default: routine")]
PriorityHeader = Annotated[
    AnyCase, Header(alias=PRIORITY_HEADER, description="stat or routine, as the parameter `priority`")
]

AnyCaseName = Annotated[
    str | SkipJsonSchema[None], BeforeValidator(lambda text: text.lower() if isinstance(text, str) else text)
]
PopulationQuery = Annotated[
    AnyCaseName,
    Query(description="whose film it is, e.g. child: it counts where neither the file nor a bundle can tell"),
]
PopulationHeader = Annotated[AnyCaseName, Header(alias=POPULATION_HEADER, description="as the parameter `population`")]
Stated = str | SkipJsonSchema[None]
AgeQuery = Annotated[
    Stated, Query(description="of the patient in years, e.g. 4 or 0.5, or 018M: it counts where the file states none")
]
AgeHeader = Annotated[
    Stated, Header(alias=AGE_HEADER, description="as the parameter `age`; addresses stand in the logs of proxies")
]
ViewQuery = Annotated[
    Stated, Query(description="e.g. PA, AP, frontal, lateral: it counts where the file states no view")
]
ViewHeader = Annotated[Stated, Header(alias=VIEW_HEADER, description="as the parameter `view`")]


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


async def options_of(
    request: Request,
    priority: PriorityQuery = None,
    priority_header: PriorityHeader = None,
    deadline_ms: DeadlineHeader = None,
) -> RequestOptions:
    """Read the options of a request.

    Raises:
        InvalidParameterError: address and header ask for different priorities.
    """
    if None not in (priority, priority_header) and priority != priority_header:
        msg = (
            f"the address asks for priority {priority} and the header {PRIORITY_HEADER} for {priority_header}; send one"
        )
        raise InvalidParameterError(msg)
    allowed_ms = services_in(request).limits.deadline_ms if deadline_ms is None else deadline_ms
    asked: Priority = priority or priority_header or "routine"
    return RequestOptions(request.state.request_id, asked, request.state.arrived, allowed_ms)


CurrentOptions = Annotated[RequestOptions, Depends(options_of)]


async def population_of(population: PopulationQuery = None, population_header: PopulationHeader = None) -> str | None:
    """The population that the caller names; None: none.

    Raises:
        InvalidParameterError: address and header name different ones.
    """
    return _one_of(population, population_header, POPULATION_HEADER, "name different populations")


async def age_of(age: AgeQuery = None, age_header: AgeHeader = None) -> str | None:
    """The age that the caller states; None: none.

    Raises:
        InvalidParameterError: address and header state different ones.
    """
    return _one_of(age, age_header, AGE_HEADER, "state different ages")


async def view_of(view: ViewQuery = None, view_header: ViewHeader = None) -> str | None:
    """The view that the caller states; None: none.

    Raises:
        InvalidParameterError: address and header state different ones.
    """
    return _one_of(view, view_header, VIEW_HEADER, "state different views")


def _one_of(by_address: str | None, by_header: str | None, header: str, fault: str) -> str | None:
    if None not in (by_address, by_header) and by_address != by_header:
        msg = f"the address and the header {header} {fault}; send one of them"
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


async def word_of(
    population: Annotated[str | None, Depends(population_of)],
    age: Annotated[str | None, Depends(age_of)],
    view: Annotated[str | None, Depends(view_of)],
) -> CallersWord:
    """What the caller says of the films.

    Raises:
        InvalidParameterError: an age or a view cannot be read.
    """
    return CallersWord(population, stated_facts(age, view))


CurrentWord = Annotated[CallersWord, Depends(word_of)]


def peek_number(text: bytes, default: int) -> int:
    """A number of a header before the header is checked: a wrong one counts as `default`, and is refused further in."""
    return int(text) if text.isdigit() and len(text) <= _DIGITS else default


def peek_priority(query: bytes) -> Priority:
    """The priority before the parameters are checked: whatever is not clearly stat counts as routine."""
    return "stat" if b"priority=stat" in query.lower().split(b"&") else "routine"
