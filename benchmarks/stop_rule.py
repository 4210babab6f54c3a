"""The stop rule on simulated streams: how rarely it stops without cause, and how soon with one.

    python -m benchmarks.stop_rule > docs/results/stop-rule.md

It judges streams of films with verdicts by `biostatistics.sequences`, as the service does, against a specificity of
95 % and a sensitivity of 90 % at an alpha of 5 %. Exits with 1 where a promise of docs/surveillance.md is not kept.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from biostatistics.intervals import wilson_interval
from biostatistics.sequences import harm_evidence

ALPHA: Final = 0.05
ALLOWED: Final = {"specificity": 0.05, "sensitivity": 0.1}
CHUNK: Final = 500
FOUND_IN: Final = 60
NEVER: Final = 10**9

Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of films alike."""

    films: int
    prevalence: float = 0.3
    specificity: float = 0.97
    sensitivity: float = 0.95


def streams(parts: tuple[Part, ...], count: int, random: np.random.Generator) -> tuple[Truths, Truths]:
    """Whether each film has the finding, and whether it is answered wrongly: [count, T] each."""
    present, wrong = [], []
    for part in parts:
        has = random.random((count, part.films)) < part.prevalence
        present.append(has)
        wrong.append(random.random(has.shape) < np.where(has, 1 - part.sensitivity, 1 - part.specificity))
    return np.concatenate(present, axis=1), np.concatenate(wrong, axis=1)


def stopped_at(counts: Truths, wrong: Truths, allowed: float, needed: float) -> NDArray[np.int64]:
    """The film, from 1, with which each stream is stopped; `NEVER` where it is not. [N]."""
    order = np.argsort(~counts, axis=1, kind="stable")  # the films that count first, in their order
    totals = counts.sum(axis=1)
    longest = int(totals.max())
    crossed = harm_evidence(np.take_along_axis(wrong, order[:, :longest], axis=1), allowed) >= needed
    crossed &= np.arange(longest) < totals[:, np.newaxis]
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 0)
    films = np.take_along_axis(order, first[:, np.newaxis], axis=1)[:, 0] + 1
    return np.where(crossed.any(axis=1), films, NEVER)


def stops(parts: tuple[Part, ...], rounds: int, seed: int) -> NDArray[np.int64]:
    """The film with which each of `rounds` streams is stopped by either of the two limits."""
    random = np.random.default_rng(seed)
    needed = len(ALLOWED) / ALPHA
    found = []
    for size in _chunks(rounds):
        present, wrong = streams(parts, size, random)
        by_limit = [
            stopped_at(~present, wrong, ALLOWED["specificity"], needed),
            stopped_at(present, wrong, ALLOWED["sensitivity"], needed),
        ]
        found.append(np.minimum(*by_limit))
    return np.concatenate(found)


def repeated_tests(parts: tuple[Part, ...], rounds: int, seed: int) -> float:
    """Share of streams stopped by a one-sided 95 % Wilson bound that is looked at again after each film."""
    random = np.random.default_rng(seed)
    stopped = 0
    for size in _chunks(rounds):
        present, wrong = streams(parts, size, random)
        stopped_here = np.zeros(size, bool)
        for counts, allowed in ((~present, ALLOWED["specificity"]), (present, ALLOWED["sensitivity"])):
            trials = np.maximum(counts.cumsum(axis=1), 1)
            share = (wrong & counts).cumsum(axis=1) / trials
            z = 1.645
            center = share + z**2 / (2 * trials)
            half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
            low = (center - half) / (1 + z**2 / trials)
            stopped_here |= (low > allowed).any(axis=1)
        stopped += int(stopped_here.sum())
    return stopped / rounds


def labels_to_stop(
    before: int, rounds: int, seed: int, *, limits: int, allowed: float = ALLOWED["specificity"]
) -> NDArray[np.int64]:
    """Films without the finding between the fall of the specificity to .80 and the stop; below 0: before the fall."""
    random = np.random.default_rng(seed)
    found = []
    for size in _chunks(rounds):
        wrong = np.concatenate([random.random((size, before)) < 0.03, random.random((size, 1500)) < 0.2], axis=1)
        found.append(stopped_at(np.ones_like(wrong), wrong, allowed, limits / ALPHA) - before)
    return np.concatenate(found)


def _chunks(rounds: int) -> Iterator[int]:
    yield from [CHUNK] * (rounds // CHUNK)
    if rounds % CHUNK:
        yield rounds % CHUNK


SCENES: Final[dict[str, tuple[Part, ...]]] = {
    "specificity .97, sensitivity .95": (Part(5000),),
    "exactly at both limits, the worst that is in order": (Part(5000, specificity=0.95, sensitivity=0.9),),
    "prevalence 10 % for 1,000 films, then 60 %": (Part(1000, prevalence=0.1), Part(2000, prevalence=0.6)),
    "prevalence 60 % for 1,000 films, then 5 %": (Part(1000, prevalence=0.6), Part(2000, prevalence=0.05)),
}


def _false_stops(rounds: int) -> bool:
    kept = True
    error = 2 * math.sqrt(ALPHA * (1 - ALPHA) / rounds)
    for seed, (name, parts) in enumerate(SCENES.items()):
        stopped = stops(parts, rounds, seed)
        films = sum(part.films for part in parts)
        by_film = [int((stopped <= film).sum()) for film in (100, 1000, films)]
        repeated = repeated_tests(parts, min(rounds, 1000), seed)
        shares = " | ".join(f"{count / rounds:.4f}" for count in by_film)
        interval = wilson_interval(by_film[-1], rounds)
        print(
            f"| {name} | {films:,} | {shares} | [{interval.low:.4f}, {interval.high:.4f}] | {repeated:.2f} |",
            flush=True,
        )
        kept &= by_film[-1] / rounds <= ALPHA + error
    return kept


def _delays(rounds: int) -> bool:
    kept = True
    for before in (0, 100, 300, 500, 1000, 3000):
        cells = []
        for limits in (1, 2):
            delays = labels_to_stop(before, rounds, before + limits, limits=limits)
            late = delays[delays > 0]
            median = int(np.median(late))
            cells += [str(median), str(int(np.quantile(late, 0.9))), f"{(delays <= 0).mean():.4f}"]
            kept &= before > 300 or median <= FOUND_IN
        print(f"| {before:,} | {' | '.join(cells)} |", flush=True)
    return kept


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10_000, help="streams of each kind (default: %(default)s)")
    rounds = parser.parse_args().rounds
    print(f"""# The stop rule, simulated

This page shows how rarely the [stop rule](../surveillance.md#the-stop-rule) stops a service without cause, and how
soon with one. `python -m benchmarks.stop_rule` drew {rounds:,} streams of each kind and judged them by the statistics
that the service uses. The limits are a specificity of 95 % and a sensitivity of 90 %, which share an alpha of 5 %.

## False stops

Share of streams that had been stopped by this film, though their answers were in order all the time. Every film has a
verdict, and three in ten have the finding where nothing else is stated. Last column: {min(rounds, 1000):,} such streams
under a one-sided 95 % Wilson bound that is looked at again after each film, which the rule is there to avoid.

| stream | films | by film 100 | by film 1,000 | by the last | 95 % interval | repeated tests |
| --- | ---: | ---: | ---: | ---: | --- | ---: |""")
    kept = _false_stops(rounds)
    nearer = int(np.median(labels_to_stop(300, min(rounds, 1000), 7, limits=1, allowed=0.07)))
    print("""
## A specificity that falls from .97 to .80

Films without the finding from the fall to the stop, by how many came before the fall: the median, and the number
within which nine in ten streams were stopped. Early: the share that was stopped before the fall. On the right a second
limit is registered, which shares alpha.

| films before | median | nine in ten | early | median, two limits | nine in ten | early |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |""")
    kept &= _delays(rounds)
    print(f"""
The longer the answers were right, the more films a stop takes, by the logarithm of their number: a rule that is never
wrong more often than alpha, however long it watches, has to keep some of its alpha for later. A limit nearer to the
harm takes longer: of a specificity of 93 %, one limit and 300 films before the fall, the median is {nearer}.""")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
