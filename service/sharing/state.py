"""What replicas share, as one object: buckets and answers, in a database or in this process alone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from service.capacity.kept_answers import Answers, KeptAnswers
from service.security.quota import Buckets, OwnBuckets
from service.settings import LimitSettings
from service.sharing.answers import SharedAnswers
from service.sharing.buckets import SharedBuckets
from service.sharing.counters import SharingMetrics
from service.sharing.database import SharedDatabase, SharedStateUnavailableError

HOUSEKEEPING_S: Final = 60.0
"""How long an answer may outlive its time in the database."""


@dataclass(frozen=True, slots=True)
class State:
    """Quotas and kept answers of one process, or of all replicas."""

    buckets: Buckets
    answers: Answers
    running: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Keeps house as long as the app runs, and closes the database."""


def state_of(url: str | None, limits: LimitSettings, registry: CollectorRegistry) -> State:
    """The state by the settings; a database that is away is no reason not to start.

    Args:
        url: of PostgreSQL; None: nothing is shared.
        limits: how long and how many answers are kept.
        registry: of the app's metrics.
    """
    buckets = OwnBuckets()
    answers = KeptAnswers(limits.idempotency_s, limits.idempotency_bytes)
    metrics = SharingMetrics(registry)
    if url is None:
        return State(buckets, answers)
    database = SharedDatabase(url, metrics)
    shared_buckets = SharedBuckets(database, buckets)
    shared_answers = SharedAnswers(database, answers, limits.idempotency_s, limits.idempotency_bytes)

    def tidy(connection: Connection) -> None:
        shared_buckets.tidy(connection)
        shared_answers.tidy(connection)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        housekeeping = asyncio.create_task(_keep_house(database, tidy))
        try:
            yield
        finally:
            housekeeping.cancel()
            database.close()

    return State(shared_buckets, shared_answers, running)


async def _keep_house(database: SharedDatabase, tidy: Callable[[Connection], None]) -> None:
    while True:
        with suppress(SharedStateUnavailableError):  # counted and logged there
            await database.call("housekeeping", tidy)
        await asyncio.sleep(HOUSEKEEPING_S)
