"""The buckets of all callers in the shared database: one quota however many replicas there are."""

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Float, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from service.security.quota import Buckets
from service.sharing.clock import Clock, time_of_database
from service.sharing.database import SharedDatabase, SharedStateUnavailableError
from service.sharing.tables import quotas

_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class SharedBuckets:
    """`Buckets` that all replicas fill and empty; `own` are those of this process while the database is away.

    With n replicas a caller then gets at most n times the quota: films go on, and their number stays bounded.
    """

    database: SharedDatabase
    own: Buckets
    clock: Clock | None = None

    async def level(self, caller: str, rate: int) -> float:
        """Films in the bucket now."""

        def work(connection: Connection) -> float:
            now = time_of_database(self.clock)
            since = func.greatest(0.0, now - quotas.c.filled_at)
            level = func.least(float(rate), quotas.c.films + since * (rate / _MINUTE_S))
            films = connection.execute(select(level).where(quotas.c.caller == digest_of(caller))).scalar()
            return float(rate) if films is None else float(films)

        try:
            return await self.database.call("quota", work)
        except SharedStateUnavailableError:
            return await self.own.level(caller, rate)

    async def take(self, caller: str, rate: int, films: int) -> None:
        """Take films out; the bucket may be overdrawn."""

        def work(connection: Connection) -> None:
            now = time_of_database(self.clock)
            per_s = rate / _MINUTE_S
            new = insert(quotas).values(
                caller=digest_of(caller), films=float(rate - films), filled_at=now, full_at=now + films / per_s
            )
            since = func.greatest(0.0, now - quotas.c.filled_at)
            level = func.least(float(rate), quotas.c.films + since * per_s) - float(films)
            at = func.greatest(now, quotas.c.filled_at)
            full_at = at + (cast(literal(float(rate)), Float(53)) - level) / per_s
            connection.execute(
                new.on_conflict_do_update(
                    index_elements=[quotas.c.caller], set_={"films": level, "filled_at": at, "full_at": full_at}
                )
            )

        try:
            await self.database.call("quota", work)
        except SharedStateUnavailableError:
            await self.own.take(caller, rate, films)

    def tidy(self, connection: Connection) -> None:
        """Forget buckets that are full: a caller without a row has a full one."""
        connection.execute(delete(quotas).where(quotas.c.full_at <= time_of_database(self.clock)))


def digest_of(*parts: str) -> str:
    """What stands for a name in the database: a subject of a token may be a person."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
