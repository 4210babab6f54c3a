"""Rules of what follows from a failed attempt at a film of the spool."""

import pytest

from schemas.errors import (
    AuditUnavailableError,
    DeadlineError,
    ImageTooLargeError,
    InferenceError,
    InternalError,
    InvalidImageError,
    NotReadyError,
    PacsRefusedError,
    PacsUnreachableError,
    SpoolFullError,
    SpoolUnavailableError,
)
from service.dicomweb.verdict import Backoff, Verdict, verdict

LATEST = Backoff(first_s=1, longest_s=8, uniform=lambda _, high: high)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (10_000, 8)])
def test_waits_double_up_to_the_longest(attempt, seconds) -> None:
    assert LATEST.delay_s(attempt) == seconds
    assert seconds / 2 <= Backoff(first_s=1, longest_s=8).delay_s(attempt) <= seconds


def judged(error, attempt=1):
    return verdict(error, attempt=attempt, max_attempts=3, backoff=LATEST)


@pytest.mark.parametrize("error", [InvalidImageError("broken"), ImageTooLargeError("large")])
def test_a_film_that_can_never_be_read_is_refused(error) -> None:
    assert judged(error) == Verdict(refused=True)


@pytest.mark.parametrize(
    "error", [InferenceError("x"), InternalError("x"), DeadlineError("x"), PacsUnreachableError("x")]
)
def test_any_other_failure_is_tried_again_later_and_later_until_the_last_attempt(error) -> None:
    assert [judged(error, attempt) for attempt in (1, 2, 3)] == [
        Verdict(delay_s=1),
        Verdict(delay_s=2),
        Verdict(delay_s=None),
    ]


@pytest.mark.parametrize(
    "error", [NotReadyError("x"), AuditUnavailableError("x"), SpoolFullError("x"), SpoolUnavailableError("x")]
)
def test_what_would_meet_any_film_is_no_attempt_and_never_the_last(error) -> None:
    assert judged(error, 3) == Verdict(counts=False, delay_s=4)


def test_what_the_archive_refuses_is_a_dead_letter_at_once() -> None:
    assert judged(PacsRefusedError("no")) == Verdict(delay_s=None)
