"""What is recorded about a film and about an administrator's action: around the work, whatever becomes of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from schemas.api import ModelReference, Prediction
from schemas.errors import CxrError, InternalError
from service.audit.record import Event
from service.audit.trail import Trail

GIVEN_UP: Final = "given_up"
"""The outcome of a film that nobody waited for any longer."""

Result = TypeVar("Result")


class Answered(Protocol):
    """What the network said about a film."""

    @property
    def prediction(self) -> Prediction:
        """Its label and its decision are recorded."""
        ...


Answer = TypeVar("Answer", bound=Answered)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks where."""

    caller: str
    route: str | None = None
    request_id: str | None = None
    event: Event = "film"

    @property
    def facts(self) -> dict[str, str | None]:
        """As fields of the record."""
        return {"caller": self.caller, "route": self.route, "request_id": self.request_id}


SPOOL: Final = Asked("service", event="analysed")
"""The service itself, which works on what the spool holds."""


def asked_by(request: Request) -> Asked:
    """Who asks; the gate has let them in, or refuses them just now."""
    caller = getattr(request.state, "caller", None)
    return Asked(
        "unknown" if caller is None else caller.identity, request.scope["route"].path, request.state.request_id
    )


async def film(
    trail: Trail,
    asked: Asked,
    content: bytes,
    model: ModelReference,
    work: Callable[[], Awaitable[Answer]],
) -> Answer:
    """Read a film, and record what was answered, before it is.

    Args:
        trail: where.
        asked: by whom.
        content: the film's bytes, of which the hash is recorded.
        model: of the bundle that answers.
        work: the reading.

    Raises:
        AuditUnavailableError: it cannot be recorded, and the policy is to refuse.
    """
    if not trail.on:
        return await work()
    digest = await asyncio.to_thread(lambda: sha256(content).hexdigest())
    facts = asked.facts | {"film_sha256": digest, "model_sha256": model.sha256}
    try:
        answer = await work()
    except (asyncio.CancelledError, ClientDisconnect):
        trail.note(asked.event, **facts, outcome=GIVEN_UP)
        raise
    except Exception as error:
        await trail.record(asked.event, **facts, outcome=_code(error))
        raise
    prediction = answer.prediction
    await trail.record(asked.event, **facts, label=prediction.label, decision=prediction.decision)
    return answer


async def action(trail: Trail, asked: Asked, work: Callable[[], Awaitable[Result]]) -> Result:
    """Do what an administrator asks, and record it before and after.

    Raises:
        AuditUnavailableError: it cannot be recorded, and the policy is to refuse.
    """
    await trail.record("action", **asked.facts, outcome="begun")
    try:
        result = await work()
    except Exception as error:
        await trail.record("action", **asked.facts, outcome=_code(error))
        raise
    model = result.sha256 if isinstance(result, ModelReference) else None
    await trail.record("action", **asked.facts, model_sha256=model)
    return result


def _code(error: Exception) -> str:
    return error.code if isinstance(error, CxrError) else InternalError.code
