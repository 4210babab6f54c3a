"""How many films and bytes the service accepts at the same time, and whether it accepts any."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, NoReturn

from schemas.errors import NotReadyError, OverloadedError, QuotaError
from service.metrics import Metrics
from service.settings import LimitSettings

Priority = Literal["stat", "routine"]

_CALLER_SHARE: Final = 2  # large bodies of one caller may hold half of the bytes
_SMALL_SHARE: Final = 64  # up to this part of all bytes a body is small: 8 MB of 512
_FEWEST: Final = 8  # departures from which a pace can be computed
_LAST: Final = 64  # departures that are remembered


def draining() -> NotReadyError:
    """The refusal of whatever would begin while the process is about to end."""
    return NotReadyError("the service is shutting down; send the request to another instance")


class Admission:
    """Counts films from before they are decoded until they are answered, and the bytes of their requests.

    Invariant: neither count exceeds its capacity, and films of one priority alone never reach it: each priority finds
    places that the other cannot take, and each caller bytes that no other holds.
    """

    def __init__(self, limits: LimitSettings, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = limits.max_queue
        self._places: dict[Priority, int] = {"stat": limits.stat_places, "routine": limits.routine_places}
        self._admitted: dict[Priority, int] = {"stat": 0, "routine": 0}
        self._capacity_bytes = limits.max_inflight_bytes
        self._share_bytes = max(limits.max_body_bytes, limits.max_inflight_bytes // _CALLER_SHARE)
        self._bytes = 0
        self._bytes_of: Counter[str] = Counter()
        self._metrics = metrics
        self._clock = clock
        self._departures: deque[float] = deque(maxlen=_LAST)  # times, while other films were there
        self._draining = False
        metrics.queue_capacity.set(limits.max_queue)

    @property
    def draining(self) -> bool:
        """Whether new films are refused because the process is about to end."""
        return self._draining

    @property
    def idle(self) -> bool:
        """Whether no film is admitted that is not answered yet."""
        return not any(self._admitted.values())

    def drain(self) -> None:
        """Let no request begin from now on; those that have begun are answered."""
        self._draining = True

    def require_open(self) -> None:
        """Let a request begin.

        Raises:
            NotReadyError: the service is draining.
        """
        if self._draining:
            self._metrics.shed.labels("draining").inc()
            raise draining()

    def check(self, priority: Priority, *, allowed_s: float, body_bytes: int = 0) -> None:
        """Let a request with films begin; refusing it before its body is read costs much less than refusing it after.

        Args:
            priority: of its films.
            allowed_s: until its caller gives up.
            body_bytes: length of its body; 0: not known yet.

        Raises:
            NotReadyError: the service is draining.
            OverloadedError: not even one place is free, or none for its bytes, or its turn would come too late.
        """
        self.require_open()
        self._require(1, priority)
        if self._bytes + body_bytes > self._capacity_bytes:
            self._refuse("bytes", self._no_room(body_bytes))
        if (wait_s := self._expected_s(priority)) > allowed_s:
            msg = (
                f"{self._before(priority)} films go before it, at the present pace an answer takes {wait_s:.1f} s, and "
                f"{allowed_s:.1f} s are allowed"
            )
            self._refuse("too_late", msg)

    @contextmanager
    def admit(self, films: int, priority: Priority) -> Iterator[None]:
        """Hold the places of `films` films; also while draining, for requests that had begun before.

        Raises:
            OverloadedError: they are not free; nothing was done.
        """
        self._require(films, priority)
        self._add(films, priority)
        try:
            yield
        finally:
            self._add(-films, priority)
            self._note_departure(films)

    def shortage(self, size: int, caller: str, held: int) -> Literal["bytes", "share"] | None:
        """What would keep a part of a body out, see `take_bytes`; None: nothing."""
        if self._bytes + size > self._capacity_bytes:
            return "bytes"
        is_large = held + size > self._capacity_bytes // _SMALL_SHARE
        return "share" if is_large and self._bytes_of[caller] + size > self._share_bytes else None

    def take_bytes(self, size: int, caller: str = "", held: int = 0) -> None:
        """Count a part of a body that has arrived.

        Args:
            size: of the part.
            caller: whose body it is; large bodies of one caller must not lock out the others, or its own small ones.
            held: the bytes of this body that are counted already.

        Raises:
            OverloadedError: there is no room for it; it is not counted.
            QuotaError: the caller's other bodies hold their share; it is not counted.
        """
        shortage = self.shortage(size, caller, held)
        if shortage == "bytes":
            self._refuse("bytes", self._no_room(size))
        if shortage == "share":
            self._metrics.shed.labels("upload_share").inc()
            msg = (
                f"the requests of this caller in flight hold {self._bytes_of[caller]} bytes, and those of one "
                f"caller may hold {self._share_bytes}; send fewer at the same time"
            )
            raise QuotaError(msg, retry_after_s=1)
        self._add_bytes(size, caller)

    def give_back_bytes(self, size: int, caller: str = "") -> None:
        """Free the `size` bytes of a request that is over."""
        self._add_bytes(-size, caller)

    def _require(self, films: int, priority: Priority) -> None:
        taken, places = self._admitted[priority], self._places[priority]
        present = sum(self._admitted.values())
        if present + films > self._capacity:
            taken, places = present, self._capacity
        if taken + films > places:
            msg = f"{taken} of {places} places for {priority} films are taken and {films} are needed; try again shortly"
            self._refuse("queue_full", msg)

    def _refuse(self, reason: str, message: str) -> NoReturn:
        self._metrics.shed.labels(reason).inc()
        raise OverloadedError(message, retry_after_s=max(1, math.ceil(self._expected_s("routine"))))

    def _no_room(self, size: int) -> str:
        return (
            f"the requests in flight hold {self._bytes} of {self._capacity_bytes} bytes and {size} more do not fit; "
            "try again shortly"
        )

    def _expected_s(self, priority: Priority) -> float:
        """How long the next film would take at the pace at which the last ones left; 0 where that is not known."""
        if len(self._departures) < _FEWEST:
            return 0.0
        return (self._before(priority) + 1) * (self._clock() - self._departures[0]) / (len(self._departures) - 1)

    def _before(self, priority: Priority) -> int:
        return sum(self._admitted.values()) if priority == "routine" else self._admitted["stat"]

    def _note_departure(self, films: int) -> None:
        if any(self._admitted.values()):
            self._departures.extend([self._clock()] * films)
        else:  # whatever slowed the service down is over
            self._departures.clear()

    def _add(self, films: int, priority: Priority) -> None:
        self._admitted[priority] += films
        self._metrics.inflight_images.set(sum(self._admitted.values()))

    def _add_bytes(self, size: int, caller: str) -> None:
        self._bytes += size
        self._bytes_of[caller] += size
        if self._bytes_of[caller] == 0:
            del self._bytes_of[caller]
        self._metrics.inflight_bytes.set(self._bytes)
