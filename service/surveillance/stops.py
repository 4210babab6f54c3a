"""Registered limits and stops: when each was seen, which stop is in force, and who lifted one."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, func, insert, select, update

from schemas.errors import NotFoundError, SettingsError
from schemas.monitoring import RegisteredLimits, StopLimits, Suspension
from service.dicomweb.tables import transaction
from service.surveillance.ledger import owe
from service.surveillance.tables import registrations, suspensions

Announce = Callable[[Connection, Suspension], None]


def read_limits(content: bytes) -> StopLimits:
    """The limits of a file.

    Raises:
        SettingsError: it is not a file of limits; the message names the places.
    """
    try:
        return StopLimits.model_validate_json(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        msg = f"CXR_STOP_LIMITS is not a file of limits at {faults}; docs/surveillance.md has an example"
        raise SettingsError(msg) from error


class Stops:
    """The limits and stops of one database."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        """`clock` is in seconds since 1970."""
        self._engine = engine
        self._clock = clock

    def register(self, limits: StopLimits, sha256: str) -> RegisteredLimits:
        """Note when limits were first seen; a file that was seen before keeps its time."""
        with transaction(self._engine) as connection:
            query = select(registrations.c.registered_at).where(registrations.c.sha256 == sha256)
            seen_at = connection.scalar(query)
            if seen_at is None:
                seen_at = self._clock()
                row = {"sha256": sha256, "registered_at": seen_at, "content": limits.model_dump_json()}
                connection.execute(insert(registrations).values(row))
                owe(connection, "limits", {"caller": "service", "limits_sha256": sha256})
        return RegisteredLimits(**dict(limits), sha256=sha256, registered_at=datetime.fromtimestamp(seen_at, UTC))

    def in_force(self) -> Suspension | None:
        """The stop that nobody has lifted."""
        with transaction(self._engine) as connection:
            return self._open(connection)

    def suspend(self, suspension: Suspension, announce: Announce = lambda *_: None) -> Suspension:
        """Stop, unless a stop is in force already; returns the one that is in force then.

        `announce` writes what others are to learn of it in the same transaction: once for each stop.
        """
        with transaction(self._engine) as connection:
            if (known := self._open(connection)) is not None:
                return known
            row = {"at": self._clock(), "suspension": suspension.model_dump_json()}
            connection.execute(insert(suspensions).values(row))
            facts = {"caller": "service", "limits_sha256": suspension.limits_sha256, "reason": suspension.reason}
            owe(connection, "suspended", facts)
            announce(connection, suspension)
        return suspension

    def lift(self, reason: str, facts: Mapping[str, Any]) -> None:
        """Answer again.

        Args:
            reason: what was found and done.
            facts: of the request, for the audit log; its `caller` lifts the stop.

        Raises:
            NotFoundError: no stop is in force.
        """
        changes = {"lifted_at": self._clock(), "lifted_by": str(facts["caller"])[:128], "lifted_because": reason}
        is_open = suspensions.c.lifted_at.is_(None)
        with transaction(self._engine) as connection:
            if connection.execute(update(suspensions).where(is_open).values(changes)).rowcount == 0:
                msg = "the service is not suspended, so there is nothing to lift"
                raise NotFoundError(msg)
            owe(connection, "lifted", dict(facts) | {"reason": reason})

    def last_lifted_at(self) -> float:
        """Since when the service answers without a stop; 0: there was none."""
        with transaction(self._engine) as connection:
            return connection.scalar(select(func.max(suspensions.c.lifted_at))) or 0.0

    @staticmethod
    def _open(connection: Connection) -> Suspension | None:
        query = select(suspensions.c.suspension).where(suspensions.c.lifted_at.is_(None)).order_by(suspensions.c.id)
        text = connection.scalar(query.limit(1))
        return None if text is None else Suspension(**json.loads(text))
