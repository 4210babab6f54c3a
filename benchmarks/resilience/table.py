"""The table that all experiments print: experiment, figure, value, limit, verdict."""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.resilience.load import Answered, percentile_ms, statuses

HEAD = "| experiment | figure | value | limit | |\n| --- | --- | --- | --- | --- |"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    What the service does is the same on every machine: a line that is not kept is a defect. How fast it does so is
    not, so a line of `timing` that is missed on a busy machine is shown and fails nothing, unless `--full` is asked.
    """

    experiment: str
    figure: str
    value: str
    limit: str
    kept: bool
    timing: bool = False

    def __str__(self) -> str:
        cells = (self.experiment, self.figure, self.value, self.limit, "kept" if self.kept else "MISSED")
        return f"| {' | '.join(cells)} |"

    def fails(self, *, full: bool) -> bool:
        """Whether this line alone makes the whole run fail."""
        return not self.kept and (full or not self.timing)


def counted(answers: Iterable[Answered]) -> str:
    """How often each status was answered, in words."""
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses(answers).items()))


def median_and_p99(answers: list[Answered]) -> str:
    """In milliseconds."""
    return f"{percentile_ms(answers, 0.5):.0f}, {percentile_ms(answers, 0.99):.0f} ms" if answers else "none"
