"""How many films the service takes on at the same time, whichever bundle reads them, and whether it still takes any."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from schemas.errors import NotReadyError, OverloadedError
from service.metrics import Metrics

Priority = Literal["stat", "routine"]

_STAT_SHARE: Final = 8  # one place in so many is kept for stat films: a full queue must not turn them away


def routine_places(capacity: int) -> int:
    """How many of so many places routine films may take."""
    return capacity if capacity == 1 else capacity - max(1, capacity // _STAT_SHARE)


class Admission:
    """Counts films from before they are decoded until they are answered.

    Invariant: the count never exceeds the capacity, and routine films alone never reach it.
    """

    def __init__(self, capacity: int, metrics: Metrics) -> None:
        """`capacity` is in films."""
        self._places: dict[Priority, int] = {"stat": capacity, "routine": routine_places(capacity)}
        self._metrics = metrics
        self._admitted = 0
        self._draining = False
        metrics.queue_capacity.set(capacity)

    @property
    def draining(self) -> bool:
        """Whether new films are refused because the process is about to end."""
        return self._draining

    def drain(self) -> None:
        """Let no request begin from now on; those that have begun are answered."""
        self._draining = True

    def check(self, priority: Priority | None) -> None:
        """Let a request begin; refusing it before its body is read costs much less than refusing it after.

        Args:
            priority: of its films; None: it will need no place.

        Raises:
            NotReadyError: the service is draining.
            OverloadedError: not even one place is free.
        """
        if self._draining:
            self._metrics.shed.labels("draining").inc()
            msg = "the service is shutting down; send the film to another instance"
            raise NotReadyError(msg)
        if priority is not None:
            self._require(1, priority)

    @contextmanager
    def admit(self, films: int, priority: Priority) -> Iterator[None]:
        """Hold the places of `films` films; also while draining, for requests that had begun before.

        Raises:
            OverloadedError: they are not free; nothing was done.
        """
        self._require(films, priority)
        self._add(films)
        try:
            yield
        finally:
            self._add(-films)

    def _require(self, films: int, priority: Priority) -> None:
        if self._admitted + films > self._places[priority]:
            self._metrics.shed.labels("queue_full").inc()
            msg = (
                f"{self._admitted} of {self._places[priority]} places for {priority} films are taken and {films} are "
                "needed; try again shortly"
            )
            raise OverloadedError(msg)

    def _add(self, films: int) -> None:
        self._admitted += films
        self._metrics.inflight_images.set(self._admitted)
