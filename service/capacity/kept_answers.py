"""Answers that are kept for a while, for requests that are sent again: bounded in time and in bytes, in memory only."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from schemas.errors import CxrError, IdempotencyKeyInUseError, IdempotencyKeyReusedError
from service.capacity.bounded import BoundedEntries

OVERHEAD_BYTES: Final = 1024
"""What an answer takes in addition to its body: its name, its place, its text where it is a failure."""


@dataclass(frozen=True, slots=True)
class RequestName:
    """By what a request is known again: keys of different callers, or for different routes, are different ones."""

    caller: str
    route: str
    key: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered: a body, or why there is none."""

    body: bytes = b""
    media_type: str | None = None
    failure: CxrError | None = None

    @property
    def size_bytes(self) -> int:
        """In memory."""
        return len(self.body) + OVERHEAD_BYTES


@dataclass(slots=True)
class Turn:
    """One request that is answered once."""

    answer: KeptAnswer | None = None
    """What it was answered before; None: it is to be worked on, and what it is answered then is to be put here.

    Where nothing is put here, the next request of this name is worked on again.
    """


@dataclass(frozen=True, slots=True)
class _Entry:
    fingerprint: bytes
    answer: KeptAnswer
    kept_at: float


@dataclass(slots=True)
class KeptAnswers:
    """The answers of one app.

    Invariant: `_bytes` are those of `_entries` by caller. A request that is being worked on is in `_working` alone.
    """

    kept_s: float
    at_most_bytes: int
    clock: Callable[[], float] = time.monotonic
    _entries: BoundedEntries[RequestName, _Entry] = field(init=False)
    _working: dict[RequestName, bytes] = field(default_factory=dict)
    _bytes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._entries = BoundedEntries(self.at_most_bytes)

    @contextmanager
    def once(self, name: RequestName, fingerprint: bytes) -> Iterator[Turn]:
        """The turn of a request.

        Args:
            name: of the request.
            fingerprint: a digest of everything that decides the answer.

        Raises:
            IdempotencyKeyInUseError: it is being worked on.
            IdempotencyKeyReusedError: another request has this name.
        """
        self._forget_old()
        entry = self._entries.get(name)
        if self._working.get(name, fingerprint if entry is None else entry.fingerprint) != fingerprint:
            msg = "the Idempotency-Key was sent with another film or another question; make a new key for each request"
            raise IdempotencyKeyReusedError(msg)
        if name in self._working:
            msg = "the request of this Idempotency-Key is being answered; send it again for the answer"
            raise IdempotencyKeyInUseError(msg)
        if entry is not None:
            yield Turn(entry.answer)
            return
        self._working[name] = fingerprint
        turn = Turn()
        try:
            yield turn
        finally:
            del self._working[name]
            if turn.answer is not None:
                self._keep(name, _Entry(fingerprint, turn.answer, self.clock()))

    def _keep(self, name: RequestName, entry: _Entry) -> None:
        size = entry.answer.size_bytes
        if size > self.at_most_bytes:
            return
        while self._entries.lacks_room(size):
            caller, _ = self._bytes.most_common(1)[0]  # one caller with many answers does not push out those of others
            self._forget(next(each for each in self._entries if each.caller == caller))
        self._entries.keep(name, entry, size)
        self._bytes[name.caller] += size

    def _forget_old(self) -> None:
        latest = self.clock() - self.kept_s
        while (oldest := self._entries.oldest()) is not None and oldest[1].kept_at <= latest:
            self._forget(oldest[0])

    def _forget(self, name: RequestName) -> None:
        self._bytes[name.caller] -= self._entries.size_bytes(name)
        self._entries.forget(name)
        if not self._bytes[name.caller]:
            del self._bytes[name.caller]
