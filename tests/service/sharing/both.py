"""The two places of what quotas and kept answers are: this process, and PostgreSQL; the same tests run on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
from prometheus_client import CollectorRegistry

from service.capacity.kept_answers import Answers, KeptAnswers
from service.security.quota import Buckets, OwnBuckets
from service.sharing.answers import SharedAnswers
from service.sharing.buckets import SharedBuckets
from service.sharing.counters import SharingMetrics
from service.sharing.database import SharedDatabase

PLACES = ("own", pytest.param("shared", marks=pytest.mark.process))
"""Values of a parameter; the second needs PostgreSQL."""


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class NeverAsked:
    """Fails the test where a replica acted alone although the database was there."""

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"{name} of this process was asked although the database is there")


class Place(Protocol):
    """Where a test's buckets and answers are."""

    def buckets(self, clock: Clock) -> Buckets: ...
    def answers(self, kept_s: float, at_most_bytes: int, clock: Clock) -> Answers: ...


class Own:
    def buckets(self, clock: Clock) -> Buckets:
        return OwnBuckets(clock)

    def answers(self, kept_s: float, at_most_bytes: int, clock: Clock) -> Answers:
        return KeptAnswers(kept_s, at_most_bytes, clock)


class Shared:
    """One database; every object that it makes is that of another replica."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.databases: list[SharedDatabase] = []

    def database(self) -> SharedDatabase:
        # A machine that is busy must not make a test fall back.
        self.databases.append(SharedDatabase(self._url, SharingMetrics(CollectorRegistry()), call_s=30))
        return self.databases[-1]

    def buckets(self, clock: Clock) -> Buckets:
        return SharedBuckets(self.database(), NeverAsked(), clock)

    def answers(self, kept_s: float, at_most_bytes: int, clock: Clock) -> Answers:
        return SharedAnswers(self.database(), NeverAsked(), kept_s, at_most_bytes, clock)


@contextmanager
def place_of(name: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The place by its name in `PLACES`."""
    if name == "own":
        yield Own()
        return
    shared = Shared(request.getfixturevalue("postgresql_url"))
    yield shared
    for database in shared.databases:
        database.close()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with place_of(request.param, request) as found:
        yield found
