"""Buckets and answers in a database, and what keeps house there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy import Connection

from service.settings import LimitSettings
from service.sharing.answers import SharedAnswers
from service.sharing.buckets import SharedBuckets
from service.sharing.counters import SharingMetrics
from service.sharing.database import SharedDatabase, SharedStateUnavailableError
from service.sharing.state import State

HOUSEKEEPING_S: Final = 60.0
"""How long an answer may outlive its time in the database."""


def shared_state(url: str, limits: LimitSettings, metrics: SharingMetrics, own: State) -> State:
    """The state in a database; `own` is what counts where it is away."""
    database = SharedDatabase(url, metrics)
    shared_buckets = SharedBuckets(database, own.buckets)
    shared_answers = SharedAnswers(database, own.answers, limits.idempotency_s, limits.idempotency_bytes)

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
