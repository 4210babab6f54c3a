"""Which settings are tried, and which of those that were measured is chosen; nothing is run here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from schemas.model.precision import Precision
from schemas.tuning import EngineChoice, Measured, Provider

MARGIN: Final = 0.05
"""Choices whose medians differ by less are alike: the simplest of them is taken."""
CPU_BATCHES: Final = (1, 4)
"""A CPU gains little from batches, and an urgent film waits for the batch before it."""

SUITABLE: Final[Mapping[Provider, tuple[Precision, ...]]] = {"cpu": ("fp32", "int8"), "cuda": ("fp32", "fp16")}


@dataclass(frozen=True, slots=True)
class Round:
    """What one choice did in one round."""

    films_per_s: float
    ms_per_film: float


def choices(provider: Provider, precisions: Sequence[Precision], cores: int, max_batch: int) -> list[EngineChoice]:
    """What is worth trying for one provider: threads x runs fill the cores and no more; powers of two between.

    Args:
        provider: what computes.
        precisions: that the bundle has a graph of, whose gates passed.
        cores: on which the process may run.
        max_batch: largest batch of the graph.
    """
    suitable = [precision for precision in precisions if precision in SUITABLE[provider]]
    if provider == "cuda":
        shapes = [(1, runs, batch) for runs in (1, 2) for batch in powers(max_batch)]
    else:
        counts = powers(cores)
        batches = [batch for batch in CPU_BATCHES if batch <= max_batch]
        shapes = [(t, runs, batch) for t in counts for runs in counts if t * runs <= cores for batch in batches]
    return [
        EngineChoice(
            provider=provider,
            precision=precision,
            intra_op_threads=threads,
            concurrent_runs=runs,
            max_batch_size=batch,
        )
        for precision in suitable
        for threads, runs, batch in shapes
    ]


def process_choices(best: EngineChoice, cores: int) -> list[EngineChoice]:
    """One process for each core, and for each second one; each has one thread and one film, as in the service.

    None where there is one core. The runs are those that a process of the service asks them for at once.
    """
    one = {"intra_op_threads": 1, "max_batch_size": 1}
    return [
        best.model_copy(update=one | {"concurrent_runs": number, "film_processes": number})
        for number in dict.fromkeys((cores, cores // 2))
        if number > 1
    ]


def powers(largest: int) -> tuple[int, ...]:
    """1, 2, 4 … up to `largest`, which is always among them."""
    return (*(1 << shift for shift in range((largest - 1).bit_length())), largest) if largest > 1 else (1,)


def measured(choice: EngineChoice, rounds: Sequence[Round]) -> Measured:
    """The figures of a choice."""
    speeds = [each.films_per_s for each in rounds]
    return Measured(
        choice=choice,
        films_per_s=median(speeds),
        lowest=min(speeds),
        highest=max(speeds),
        ms_per_film=median(each.ms_per_film for each in rounds),
    )


def fastest_first(figures: Sequence[Measured]) -> tuple[Measured, ...]:
    """By the median of the rounds."""
    return tuple(sorted(figures, key=lambda each: each.films_per_s, reverse=True))


def best_of(figures: Sequence[Measured]) -> Measured:
    """The fastest; of those that are alike processes, as a crash costs one film there; then fp32, and what is smallest.

    Raises:
        ValueError: there are none.
    """
    top = max(each.films_per_s for each in figures)
    alike = [each for each in figures if each.films_per_s >= (1 - MARGIN) * top]
    return min(alike, key=_complexity)


def _complexity(each: Measured) -> tuple[bool, bool, int, int, int]:
    choice = each.choice
    sizes = (choice.max_batch_size, choice.intra_op_threads, choice.concurrent_runs)
    return (choice.film_processes == 0, choice.precision != "fp32", *sizes)
