"""The states of the parcels: read by `GET /results/…` and the metrics, forgotten in time."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, func, or_, select

from schemas.results import DestinationState
from service.destinations.outbox import remove_parcels
from service.dicomweb.ledger import mend_times
from service.dicomweb.tables import parcels, transaction


@dataclass(frozen=True, slots=True)
class Depth:
    """How many parcels of a destination are in each state, and how long the oldest that waits has waited."""

    states: Mapping[str, int]
    oldest_s: float


class ParcelLedger:
    """The states of the parcels of one database; the parcels themselves are the outbox's business."""

    def __init__(self, engine: Engine, *, retention_s: float, clock: Callable[[], float] = time.time) -> None:
        """`retention_s` is how long a parcel is remembered after its last change; `clock`: seconds since 1970."""
        self._engine = engine
        self._retention_s = retention_s
        self._clock = clock

    def of(self, sop_instance_uid: str) -> tuple[DestinationState, ...]:
        """The latest parcel of each destination about a film, by the destination's name."""
        query = select(parcels).where(parcels.c.sop_instance_uid == sop_instance_uid).order_by(parcels.c.id)
        with transaction(self._engine) as connection:
            latest = {row.destination: row for row in connection.execute(query)}
        return tuple(
            DestinationState(
                name=name,
                state=row.state,
                attempts=row.attempts,
                problem=row.problem,
                detail=row.detail,
                changed_at=datetime.fromtimestamp(row.changed_at, UTC),
            )
            for name, row in sorted(latest.items())
        )

    def depths(self) -> Mapping[str, Depth]:
        """The figures of the metrics, by destination; of those alone that have parcels."""
        counted = select(
            parcels.c.destination,
            parcels.c.state,
            func.count().label("parcels"),
            func.min(parcels.c.created_at).label("oldest"),
        ).group_by(parcels.c.destination, parcels.c.state)
        states: dict[str, dict[str, int]] = {}
        oldest: dict[str, float] = {}
        with transaction(self._engine) as connection:
            for row in connection.execute(counted):
                states.setdefault(row.destination, {})[row.state] = row.parcels
                if row.state == "waiting":
                    oldest[row.destination] = max(0.0, self._clock() - row.oldest)
        return {name: Depth(counts, oldest.get(name, 0.0)) for name, counts in states.items()}

    def mend_times(self) -> int:
        """Move times from the future to now, where a clock was set back; returns of how many parcels."""
        return mend_times(self._engine, parcels, ("created_at", "changed_at"), self._clock())

    def prune(self, names: frozenset[str]) -> Mapping[tuple[str, str], int]:
        """Delete parcels whose retention is over, but none that still waits for one of `names`.

        Returns:
            How many by destination and state.
        """
        over = parcels.c.changed_at <= self._clock() - self._retention_s
        ended = or_(parcels.c.state != "waiting", parcels.c.destination.not_in(names))
        with transaction(self._engine) as connection:
            found = select(parcels.c.destination, parcels.c.state).where(over, ended)
            forgotten = Counter((row.destination, row.state) for row in connection.execute(found))
            if forgotten:
                remove_parcels(connection, over & ended)
        return forgotten
