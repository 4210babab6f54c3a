"""How many films a caller may send in a minute: a bucket that fills steadily and holds a minute's worth."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.errors import QuotaError
from service.security.callers import Caller

_CALLERS_KEPT: Final = 10_000  # of those heard last: subjects of tokens are many


class Buckets(Protocol):
    """Where the buckets are: in this process, or for all replicas. A caller who is not known has a full one."""

    async def level(self, caller: str, rate: int) -> float:
        """Films in the bucket now, at most `rate`; below 0: a debt."""
        ...

    async def take(self, caller: str, rate: int, films: int) -> None:
        """Take films out; the bucket may be overdrawn."""
        ...


@dataclass(slots=True)
class _Bucket:
    films: float
    filled_at: float


class OwnBuckets:
    """The buckets of one process, in its memory; those of the callers heard last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: OrderedDict[str, _Bucket] = OrderedDict()

    async def level(self, caller: str, rate: int) -> float:
        """Films in the bucket now."""
        return self._bucket(caller, rate).films

    async def take(self, caller: str, rate: int, films: int) -> None:
        """Take films out; the bucket may be overdrawn."""
        self._bucket(caller, rate).films -= films

    def _bucket(self, caller: str, rate: int) -> _Bucket:
        now = self._clock()
        bucket = self._of.setdefault(caller, _Bucket(rate, now))
        bucket.films = min(rate, bucket.films + (now - bucket.filled_at) * rate / 60)
        bucket.filled_at = now
        self._of.move_to_end(caller)
        if len(self._of) > _CALLERS_KEPT:
            self._of.popitem(last=False)
        return bucket


class Quota:
    """The rule of the buckets.

    A request is let in while its caller's bucket holds a film, and its films are taken once they are counted: a
    batch may overdraw the bucket, and its caller then waits until the debt is gone.
    """

    def __init__(self, films_per_minute: int | None, buckets: Buckets) -> None:
        """`films_per_minute` is of callers who have none of their own; None: they are not limited."""
        self._default = films_per_minute
        self._buckets = buckets

    async def check(self, caller: Caller) -> None:
        """Let a caller's request in.

        Raises:
            QuotaError: their bucket is empty; `retry_after_s` is the time until it is not.
        """
        rate = self._rate(caller)
        if rate is None:
            return
        films = await self._buckets.level(caller.identity, rate)
        if films < 1:
            wait_s = math.ceil((1 - films) * 60 / rate)
            msg = f"the quota of {rate} films a minute is used up; send the film again after {wait_s} s"
            raise QuotaError(msg, retry_after_s=wait_s)

    async def take(self, caller: Caller, films: int) -> None:
        """Count the films of a request that was let in."""
        rate = self._rate(caller)
        if rate is not None:
            await self._buckets.take(caller.identity, rate, films)

    def _rate(self, caller: Caller) -> int | None:
        return caller.films_per_minute or self._default
