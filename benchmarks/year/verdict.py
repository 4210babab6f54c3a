"""Which alert fired for which cause, and for none; and the page of it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.year.causes import DAY, HOUR, Cause

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One alert in the year."""

    alert: str
    fired: Mapping[str, float]
    """Seconds from the begin of each planted cause to the first firing."""
    missed: tuple[str, ...]
    """Causes that it is for, and did not fire at."""
    false: tuple[float, ...]
    """Begins of firings that no cause explains."""

    @property
    def right(self) -> bool:
        """Whether it fired for its causes and for nothing else."""
        return bool(self.fired) and not self.missed and not self.false


def judge(alert: str, spans: Spans, causes: Sequence[Cause]) -> Verdict:
    """Compare the firings of an alert with the causes that it is for."""
    mine = [cause for cause in causes if alert in cause.alerts]
    fired: dict[str, float] = {}
    for cause in mine:
        at = [begin for begin, end in spans if end >= cause.start_s and begin < cause.end_s + cause.tail_s]
        if at:
            fired[cause.name] = max(0.0, at[0] - cause.start_s)
    missed = tuple(cause.name for cause in mine if cause.name not in fired)
    false = tuple(begin for begin, _ in spans if not any(cause.explains(begin) for cause in mine))
    return Verdict(alert, fired, missed, false)


def page(verdicts: Sequence[Verdict], facts: Mapping[str, str]) -> str:
    """The page docs/results/year.md."""
    return "\n".join(_lines(verdicts, facts)) + "\n"


def _lines(verdicts: Sequence[Verdict], facts: Mapping[str, str]) -> Iterator[str]:
    yield "# A year of a hospital, and what the alerts saw\n"
    link = "[Scaling](../scaling.md#a-year-of-a-hospital)"
    yield f"Written by `python -m benchmarks.year`. How it is made, and what it cannot show: {link}.\n"
    yield "| figure | value |\n| --- | --- |"
    for name, value in facts.items():
        yield f"| {name} | {value} |"
    right = sum(verdict.right for verdict in verdicts)
    false = sum(len(verdict.false) for verdict in verdicts)
    yield f"\n{right} of {len(verdicts)} alerts fired for each of their causes and for nothing else; "
    yield f"{false} firings had no cause.\n"
    yield "| alert | planted cause | fired after | without a cause |\n| --- | --- | --- | --- |"
    for verdict in verdicts:
        rows = [(name, _after(seconds)) for name, seconds in verdict.fired.items()]
        rows += [(name, "**missed**") for name in verdict.missed]
        for place, (name, after) in enumerate(rows or [("**none**", "")]):
            false_ones = (_false(verdict.false) if place == 0 else "") or "none"
            yield f"| {verdict.alert if place == 0 else ''} | {name} | {after} | {false_ones if place == 0 else ''} |"


def _after(seconds: float) -> str:
    if seconds < HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"


def _false(begins: Sequence[float]) -> str:
    if not begins:
        return ""
    shown = ", ".join(f"day {begin / DAY:.2f}" for begin in begins[:3])
    return f"{len(begins)}: {shown}{' …' if len(begins) > 3 else ''}"
