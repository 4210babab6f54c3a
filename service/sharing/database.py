"""The database that replicas share: calls end soon, and after one that failed the next are not even tried for a while.

A film must not wait for a database that only counts films: whoever calls here has a way of its own where it is down.
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from service.dicomweb.database_faults import database_fault
from service.sharing.counters import SharingMetrics, Use
from service.sharing.tables import metadata

Result = TypeVar("Result")

CALL_S: Final = 1.0
"""Longest wait of a film for the shared state."""
PAUSE_S: Final = 2.0
"""After a failure; then one call tries again, while the others go on without."""
THREADS: Final = 4
_TABLES_LOCK: Final = 0x6378725F73686172
"""Of replicas that start at the same time on an empty database: CREATE TABLE IF NOT EXISTS may fail for all but one."""
_SHORTEST_CONNECT_S: Final = 2
"""libpq takes none that is shorter."""

log = structlog.get_logger("service.sharing.database")


class SharedStateUnavailableError(Exception):
    """The database did not answer in time; the caller goes on with the state of its own process."""


class SharedDatabase:
    """One database, called from an event loop.

    Invariant: at most one call in `PAUSE_S` waits for a database that failed the last time.
    """

    def __init__(
        self, url: str, metrics: SharingMetrics, clock: Callable[[], float] = time.monotonic, call_s: float = CALL_S
    ) -> None:
        """The database is opened by the first call; `clock` measures the pause, and `call_s` is the longest wait."""
        self._engine = create_engine(
            make_url(url),
            pool_pre_ping=True,
            pool_size=THREADS,
            max_overflow=0,
            pool_timeout=call_s,
            hide_parameters=True,
            connect_args=_limits(call_s),
        )
        self._threads = ThreadPoolExecutor(THREADS, "shared-state")
        self._metrics = metrics
        self._clock = clock
        self._call_s = call_s
        self._rests_until = float("-inf")
        self._failed = False
        self._has_tables = False
        metrics.available.set(1)

    async def call(self, use: Use, work: Callable[[Connection], Result]) -> Result:
        """Do work in one transaction, in another thread.

        Args:
            use: what it is for, which is counted where it fails.
            work: its result is returned; it may be done although the call failed, where the answer came too late.

        Raises:
            SharedStateUnavailableError: it failed, or the database rests after a failure.
        """
        now = self._clock()
        if now < self._rests_until:
            self._metrics.fallbacks.labels(use).inc()
            raise SharedStateUnavailableError
        if self._failed:
            self._rests_until = now + PAUSE_S  # for all but this call, which finds out
        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._transaction, work)
            result: Result = await asyncio.wait_for(running, self._call_s)
        except (SQLAlchemyError, TimeoutError, OSError, RuntimeError) as error:
            self._note_failure(use, error)
            raise SharedStateUnavailableError from None  # a driver's text may hold a password
        self._note_success()
        return result

    def close(self) -> None:
        """End the threads and the connections; a call that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    def _transaction(self, work: Callable[[Connection], Result]) -> Result:
        with self._engine.begin() as connection:
            if not self._has_tables:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TABLES_LOCK})")
                metadata.create_all(connection)
            result = work(connection)
        self._has_tables = True
        return result

    def _note_failure(self, use: Use, error: Exception) -> None:
        self._metrics.fallbacks.labels(use).inc()
        self._metrics.available.set(0)
        self._rests_until = self._clock() + PAUSE_S
        if not self._failed:  # once for each outage: an overload of lines would come with an overload of films
            reason = "it did not answer in time" if isinstance(error, TimeoutError) else database_fault(error)
            log.error(
                "shared_state_lost", use=use, reason=reason, consequence="this replica counts and remembers alone"
            )
        self._failed = True

    def _note_success(self) -> None:
        if self._failed:
            log.warning("shared_state_back")
        self._failed = False
        self._rests_until = float("-inf")
        self._metrics.available.set(1)


def _limits(call_s: float) -> dict[str, str | int]:
    """Options of libpq, so that a thread ends soon after nobody waits for it any more."""
    call_ms = math.ceil(call_s * 1000)
    return {
        "connect_timeout": max(_SHORTEST_CONNECT_S, math.ceil(call_s)),
        "tcp_user_timeout": 2 * call_ms,
        "options": f"-c statement_timeout={call_ms} -c idle_in_transaction_session_timeout={5 * call_ms}",
    }
