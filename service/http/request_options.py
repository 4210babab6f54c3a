"""What a caller asks for in addition to the answer: how urgent it is, and until when it is wanted."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header, Query, Request
from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema

from schemas.errors import DeadlineError, InvalidParameterError
from service.capacity.admission import Priority
from service.http.current import CurrentServices
from service.metrics import Metrics
from service.settings import DeadlineMs

DEADLINE_HEADER: Final = "X-Deadline-Ms"
PRIORITY_HEADER: Final = "X-Priority"
POPULATION_HEADER: Final = "X-Population"
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
    services: CurrentServices,
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
    allowed_ms = services.limits.deadline_ms if deadline_ms is None else deadline_ms
    asked: Priority = priority or priority_header or "routine"
    return RequestOptions(request.state.request_id, asked, request.state.arrived, allowed_ms)


CurrentOptions = Annotated[RequestOptions, Depends(options_of)]


async def population_of(population: PopulationQuery = None, population_header: PopulationHeader = None) -> str | None:
    """The population that the caller names; None: none.

    Raises:
        InvalidParameterError: address and header name different ones.
    """
    if None not in (population, population_header) and population != population_header:
        msg = f"the address and the header {POPULATION_HEADER} name different populations; send one of them"
        raise InvalidParameterError(msg)
    return population or population_header


CurrentPopulation = Annotated[str | None, Depends(population_of)]


def peek_number(text: bytes, default: int) -> int:
    """A number of a header before the header is checked: a wrong one counts as `default`, and is refused further in."""
    return int(text) if text.isdigit() and len(text) <= _DIGITS else default


def peek_priority(query: bytes) -> Priority:
    """The priority before the parameters are checked: whatever is not clearly stat counts as routine."""
    return "stat" if b"priority=stat" in query.lower().split(b"&") else "routine"
