"""How many films a caller may send in a minute: a bucket that fills steadily and holds a minute's worth."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.errors import QuotaError
from service.security.callers import Caller

_CALLERS_KEPT: Final = 10_000  # of those heard last: subjects of tokens are many


@dataclass(slots=True)
class _Bucket:
    films: float
    filled_at: float


class Quota:
    """The buckets of all callers.

    A request is let in while its caller's bucket holds a film, and its films are taken once they are counted: a
    batch may overdraw the bucket, and its caller then waits until the debt is gone.
    """

    def __init__(self, films_per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`films_per_minute` is of callers who have none of their own; None: they are not limited."""
        self._default = films_per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def check(self, caller: Caller) -> None:
        """Let a caller's request in.

        Raises:
            QuotaError: their bucket is empty; `retry_after_s` is the time until it is not.
        """
        rate = self._rate(caller)
        if rate is None:
            return
        films = self._bucket(caller, rate).films
        if films < 1:
            wait_s = math.ceil((1 - films) * 60 / rate)
            msg = f"the quota of {rate} films a minute is used up; send the film again after {wait_s} s"
            raise QuotaError(msg, retry_after_s=wait_s)

    def take(self, caller: Caller, films: int) -> None:
        """Count the films of a request that was let in."""
        rate = self._rate(caller)
        if rate is not None:
            self._bucket(caller, rate).films -= films

    def _rate(self, caller: Caller) -> int | None:
        return caller.films_per_minute or self._default

    def _bucket(self, caller: Caller, rate: int) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(caller.identity, _Bucket(rate, now))
        bucket.films = min(rate, bucket.films + (now - bucket.filled_at) * rate / 60)
        bucket.filled_at = now
        self._buckets.move_to_end(caller.identity)
        if len(self._buckets) > _CALLERS_KEPT:
            self._buckets.popitem(last=False)
        return bucket
