"""Answers that are kept by what they were computed from: a film of the same bytes need not be computed again.

Bounded in bytes; what was not asked for the longest goes first. In memory only, and off unless it is switched on.
"""

from dataclasses import dataclass
from typing import TypeVar

from service.capacity.bounded import BoundedEntries
from service.measures.cache import CacheMetrics

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class ResultKey:
    """Everything that decides an answer: two requests of one key have the same answer."""

    film_sha256: str
    """Of the bytes as they were sent."""
    bundles_sha256: str
    """Of what may answer: bundles, precisions, operating points of the site."""
    asked: tuple[str, ...]
    """The question, and what the caller states of the film."""


class ResultCache:
    """The answers of one app.

    Invariant: an answer is found by its own key alone. Who may see it is decided anew for each request, by others.
    """

    def __init__(self, at_most_bytes: int, metrics: CacheMetrics) -> None:
        """`at_most_bytes` 0: nothing is kept."""
        self._entries: BoundedEntries[ResultKey, object] = BoundedEntries(at_most_bytes)
        self._metrics = metrics
        metrics.limit_bytes.set(at_most_bytes)

    @property
    def on(self) -> bool:
        """Whether anything is kept."""
        return self._entries.at_most_bytes > 0

    def find(self, key: ResultKey, kind: type[Kept]) -> Kept | None:
        """The answer of this key; None: there is none, or it is of another kind."""
        value = self._entries.get(key)
        if not isinstance(value, kind):
            self._metrics.requests.labels("miss").inc()
            return None
        self._entries.renew(key)
        self._metrics.requests.labels("hit").inc()
        return value

    def keep(self, key: ResultKey, value: object, size_bytes: int) -> None:
        """Keep an answer; one that is larger than the whole cache is not kept.

        Args:
            key: everything that decided the answer.
            value: holds nothing that a request or a bundle owns.
            size_bytes: of the value in memory.
        """
        if size_bytes > self._entries.at_most_bytes:
            return
        if self._entries.get(key) is not None:
            self._entries.forget(key)
        while self._entries.lacks_room(size_bytes) and (oldest := self._entries.oldest()) is not None:
            self._entries.forget(oldest[0])
            self._metrics.evictions.inc()
        self._entries.keep(key, value, size_bytes)
        self._metrics.used_bytes.set(self._entries.bytes_used)
