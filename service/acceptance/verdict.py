"""What the figures mean against limits that were stated before: accept, reject, or not enough films to say."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from biostatistics.intervals import wilson_interval
from schemas.acceptance import AcceptanceFigure, AcceptanceVerdict, Limit, LimitOutcome, SampleSize
from schemas.estimate import Estimate

_MOST: Final = 100_000
"""Films; where more would be needed, the figure lies on its limit for all that a site can find out."""


def outcome(figure: Estimate | None, limit: Limit) -> LimitOutcome:
    """Whether a figure meets its limit: decided by its interval, never by the figure alone."""
    if figure is None:
        return "open"
    least = -math.inf if limit.at_least is None else limit.at_least
    most = math.inf if limit.at_most is None else limit.at_most
    if figure.high < least or figure.low > most:
        return "missed"
    return "met" if least <= figure.low and figure.high <= most else "open"


def verdict(outcomes: Sequence[LimitOutcome]) -> AcceptanceVerdict:
    """`accept` where every limit is met, `reject` where one is missed, else `not_enough`.

    All limits must be met, so the chance of a wrong `accept` is not larger with many of them than with one.

    Raises:
        ValueError: there is no limit to decide by.
    """
    if not outcomes:
        msg = "a verdict takes one limit at least"
        raise ValueError(msg)
    if "missed" in outcomes:
        return "reject"
    return "not_enough" if "open" in outcomes else "accept"


def reason(figure: AcceptanceFigure, limit: Limit) -> str:
    """A sentence about one limit."""
    if figure.estimate is None:
        return f"{figure.title}: there is no film to measure it on; the limit is {limit}."
    words = {
        "met": "lies within its limit",
        "missed": "lies wholly beyond its limit",
        "open": "straddles its limit",
    }[outcome(figure.estimate, limit)]
    return f"{figure.title}: the interval of {figure.estimate:.1%} {words}, {limit}."


def sample_size(figure: AcceptanceFigure, limit: Limit, kind: str) -> SampleSize:
    """How many films an interval around the same figure would take to lie on one side of the limit.

    As many as there are where they decide it. Of a proportion Wilson's interval is computed again; another interval
    narrows with the root of the films.
    """
    value = figure.estimate
    needed = None
    if value is not None and figure.films:
        size = _proportion(value.value) if figure.hits is not None else _shrinking(value, figure.films)
        decided = outcome(value, limit) != "open"
        needed = figure.films if decided else _smallest(lambda films: outcome(size(films), limit) != "open")
    return SampleSize(figure=figure.name, kind=kind, films=figure.films, needed=needed)


def _proportion(share: float) -> Callable[[int], Estimate]:
    return lambda films: wilson_interval(round(share * films), films)


def _shrinking(value: Estimate, films: int) -> Callable[[int], Estimate]:
    def interval(number: int) -> Estimate:
        scale = math.sqrt(films / number)
        return Estimate(
            value=value.value,
            low=value.value - scale * (value.value - value.low),
            high=value.value + scale * (value.high - value.value),
        )

    return interval


def _smallest(decides: Callable[[int], bool]) -> int | None:
    """The smallest number that decides, to within the rounding of counts; None: not even `_MOST` does."""
    if not decides(_MOST):
        return None
    low, high = 0, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
