"""What is recorded about a film and about an administrator's action: around the work, however it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Protocol, TypeVar

from schemas.api import ModelReference, Prediction
from schemas.errors import CxrError, InternalError
from service.audit.record import Event
from service.audit.trail import Trail
from service.tracing.span import stage

GIVEN_UP: Final = "given_up"
"""The outcome of a film that nobody waited for any longer."""

Result = TypeVar("Result")


class HasPrediction(Protocol):
    """The reading of a film."""

    @property
    def model(self) -> ModelReference:
        """Its hash is recorded."""
        ...

    @property
    def prediction(self) -> Prediction:
        """Its label and its decision are recorded."""
        ...

    @property
    def withheld(self) -> Prediction | None:
        """What would have been answered, where the service is suspended."""
        ...

    @property
    def repeated(self) -> bool:
        """Whether it was kept from a film of the same bytes, and not computed."""
        ...


Reading = TypeVar("Reading", bound=HasPrediction)


class FilmDigest:
    """SHA-256 of the bytes of one film as they were sent: computed once, and only where somebody asks for it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._digest: str | None = None

    async def hex(self) -> str:
        """In hexadecimal; computed in a thread, as large films take milliseconds."""
        if self._digest is None:
            self._digest = await asyncio.to_thread(lambda: sha256(self._content).hexdigest())
        return self._digest


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, and where."""

    caller: str
    route: str | None = None
    request_id: str | None = None
    event: Event = "film"
    reason: str | None = None
    """In the words of the person who asks; None: none is given."""
    address: str | None = None
    """From which the connection came."""
    study_instance_uid: str | None = None
    """Of the film, where it is known before the film is read."""
    content_sha256: str | None = None
    """Of what an action is about; None: it is about no content."""

    @property
    def facts(self) -> dict[str, str | None]:
        """As fields of the record."""
        facts = {"caller": self.caller, "route": self.route, "request_id": self.request_id}
        more = {"reason": self.reason, "content_sha256": self.content_sha256, "address": self.address}
        more |= {"study_instance_uid": self.study_instance_uid}
        return facts | {name: value for name, value in more.items() if value is not None}


SPOOL: Final = Origin("service", event="analysed")
"""The service itself, which works on what the spool holds."""


async def audited_reading(
    trail: Trail,
    origin: Origin,
    film: FilmDigest,
    model: ModelReference | None,
    work: Callable[[], Awaitable[Reading]],
) -> Reading:
    """Read a film, and record what was answered, before it is.

    Args:
        trail: where it is recorded.
        origin: who asks.
        film: its hash is recorded.
        model: of the bundle that answers, where there is one alone; None: only the reading shows which it is.
        work: the reading; cancelled where nobody waits for it any longer.

    Raises:
        AuditUnavailableError: it cannot be recorded, and the policy is to refuse.
    """
    if not trail.on:
        return await work()
    facts: dict[str, Any] = {**origin.facts, "model_sha256": None if model is None else model.sha256}
    try:
        facts["film_sha256"] = await film.hex()
        reading = await work()
    except asyncio.CancelledError:
        trail.record_without_waiting(origin.event, **facts, outcome=GIVEN_UP)
        raise
    except Exception as error:
        await trail.record(origin.event, **facts, outcome=_code(error))
        raise
    with stage("audit"):
        await trail.record(origin.event, **facts | _answered(reading))
    return reading


def _answered(reading: HasPrediction) -> dict[str, Any]:
    """What is recorded of an answer."""
    prediction = reading.prediction
    facts: dict[str, Any] = {"model_sha256": reading.model.sha256}
    decisions = {finding.name: finding.decision for finding in prediction.findings}
    facts |= ({"findings": decisions} if len(decisions) > 1 else {}) | ({"repeated": True} if reading.repeated else {})
    if reading.withheld is not None:
        facts["withheld"] = {finding.name: finding.decision for finding in reading.withheld.findings}
    return {**facts, "label": prediction.label, "decision": prediction.decision}


async def audited_action(trail: Trail, origin: Origin, work: Callable[[], Awaitable[Result]]) -> Result:
    """Do what an administrator asks, and record it before and after.

    Raises:
        AuditUnavailableError: it cannot be recorded, and the policy is to refuse.
    """
    event: Event = "action" if origin.event == "film" else origin.event
    await trail.record(event, **origin.facts, outcome="begun")
    try:
        result = await work()
    except Exception as error:
        await trail.record(event, **origin.facts, outcome=_code(error))
        raise
    model = result.sha256 if isinstance(result, ModelReference) else None
    await trail.record(event, **origin.facts, model_sha256=model)
    return result


def _code(error: Exception) -> str:
    return error.code if isinstance(error, CxrError) else InternalError.code
