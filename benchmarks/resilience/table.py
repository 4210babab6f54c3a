"""The table that all experiments print: experiment, figure, value, limit, verdict."""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.resilience.load import Answered, percentile_ms, statuses


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    experiment: str
    figure: str
    value: str
    limit: str
    kept: bool


def counted(answers: Iterable[Answered]) -> str:
    """How often each status was answered, in words."""
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses(answers).items()))


def median_and_p99(answers: list[Answered]) -> str:
    """In milliseconds."""
    return f"{percentile_ms(answers, 0.5):.0f}, {percentile_ms(answers, 0.99):.0f} ms" if answers else "none"
