"""What follows for a film of the spool from a failed attempt: refused, tried again, and when; pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.errors import (
    AuditUnavailableError,
    CxrError,
    DestinationRefusedError,
    FilmError,
    NotReadyError,
    PacsRefusedError,
    SpoolFullError,
    SpoolUnavailableError,
)

NOT_THE_FILMS: Final = (NotReadyError, AuditUnavailableError, SpoolFullError, SpoolUnavailableError)
"""Failures that would meet any film: they count as no attempt, and the film waits until the service works again."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Longer and longer waits, of which a random part is taken so that not all films come back at once."""

    first_s: float = 1.0
    longest_s: float = 300.0
    uniform: Callable[[float, float], float] = random.uniform

    def delay_s(self, attempt: int) -> float:
        """The wait after the attempt of this number, from 1: between a half and the whole of the doubled time."""
        whole = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 30))
        return self.uniform(whole / 2, whole)


BACKOFF: Final = Backoff()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the film."""

    refused: bool = False
    """It can never be read: its bytes go."""
    counts: bool = True
    """Whether this was an attempt at the film."""
    delay_s: float | None = None
    """When it is tried again; None: never by itself, it is a dead letter, unless it is refused."""


def verdict(error: CxrError, *, attempt: int, max_attempts: int, backoff: Backoff) -> Verdict:
    """Judge a failed attempt.

    Args:
        error: how it failed.
        attempt: its number, from 1.
        max_attempts: after which the film is a dead letter.
        backoff: the wait before the next.
    """
    if isinstance(error, FilmError):
        return Verdict(refused=True)
    counts = not isinstance(error, NOT_THE_FILMS)
    is_last = (counts and attempt >= max_attempts) or isinstance(error, PacsRefusedError | DestinationRefusedError)
    return Verdict(counts=counts, delay_s=None if is_last else backoff.delay_s(attempt))
