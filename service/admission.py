"""How many films the service takes on at the same time, whichever bundle reads them, and whether it still takes any."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import NotReadyError, OverloadedError
from service.metrics import Metrics


class Admission:
    """Counts films from before they are decoded until they are answered.

    Invariant: the count never exceeds the capacity.
    """

    def __init__(self, capacity: int, metrics: Metrics) -> None:
        """`capacity` is in films."""
        self._capacity, self._metrics = capacity, metrics
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

    def check(self) -> None:
        """Let a request begin, before its body is read.

        Raises:
            NotReadyError: the service is draining.
        """
        if self._draining:
            self._metrics.shed.labels("draining").inc()
            msg = "the service is shutting down; send the film to another instance"
            raise NotReadyError(msg)

    @contextmanager
    def admit(self, films: int) -> Iterator[None]:
        """Hold the places of `films` films; also while draining, for requests that had begun before.

        Raises:
            OverloadedError: they are not free; nothing was done.
        """
        if self._admitted + films > self._capacity:
            self._metrics.shed.labels("queue_full").inc()
            msg = f"{self._admitted} of {self._capacity} places are taken and {films} are needed; try again shortly"
            raise OverloadedError(msg)
        self._add(films)
        try:
            yield
        finally:
            self._add(-films)

    def _add(self, films: int) -> None:
        self._admitted += films
        self._metrics.inflight_images.set(self._admitted)
