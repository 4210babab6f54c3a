"""What a caller asks for beside the answer: how urgent, until when; and what happens when they leave."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import ClientDisconnect

from schemas.errors import DeadlineError
from service.capacity.admission import Priority
from service.metrics import Metrics
from service.services import CurrentService

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Terms:
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
            msg = f"no answer within {self.allowed_ms} ms; allow more in X-Deadline-Ms, or send fewer films at once"
            raise DeadlineError(msg) from error


async def terms_of(
    request: Request,
    service: CurrentService,
    priority: Annotated[Priority, Query(description="stat goes before routine")] = "routine",
    deadline_ms: Annotated[
        Annotated[int, Field(ge=1, le=600_000)] | SkipJsonSchema[None],  # absent, but never null
        Header(alias="X-Deadline-Ms", description="give up with 504 after so many milliseconds"),
    ] = None,
) -> Terms:
    """Read the terms of a request."""
    allowed_ms = service.settings.deadline_ms if deadline_ms is None else deadline_ms
    return Terms(request.state.request_id, priority, request.state.arrived, allowed_ms)


CallersTerms = Annotated[Terms, Depends(terms_of)]


async def while_caller_waits(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Do `work`, but give it up as soon as the caller closes the connection.

    Args:
        request: its body has been read, so the next event can only be that the caller leaves.
        work: cancelled when they do.

    Raises:
        ClientDisconnect: the caller left.
    """
    task = asyncio.create_task(work)
    departure = asyncio.create_task(_departure(request))
    try:
        await asyncio.wait((task, departure), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        departure.cancel()
        await asyncio.gather(task, departure, return_exceptions=True)


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
