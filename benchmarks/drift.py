"""Simulated streams: the drift alert is quiet over 5,000 clean films and fires within 200 films of another kind.

Validation films of a trial are split by patient, again and again: one half is the reference, the other is drawn from,
with replacement, as films that arrive. The windows are the service's own. Prints the page docs/results/drift.md.

    python -m benchmarks.drift models/NAME/VERSION --trial runs/ID/trials/NAME

Without --trial phantoms stand in for the films.
"""

import argparse
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biostatistics.intervals import wilson_interval
from bundle.opening import Bundle, open_bundle
from export.drift import signal_reference
from imaging.phantom import phantom
from imaging.quality import input_statistics
from schemas.model.drift import DriftReference, film_signals
from service.answers.drift import DriftWindow
from service.engine.engine import OnnxEngine
from trainer.folder import TrialFolder
from trainer.judging.shifts import SHIFTS, shifted
from trainer.trials.trial import load_trial

CLEAN, SHIFTED = 5000, 200
LOOK = 10  # films between two looks at a clean stream; Prometheus looks every 15 seconds
Films = NDArray[np.float32]
Signals = Mapping[str, float]
Draws = Iterator[tuple[Callable[[int], list[int]], list[int]]]


@dataclass(frozen=True)
class Source:
    """Films that stand for those of a hospital."""

    films: Films  # [V, 1, S, S] in [0, 1]
    labels: NDArray[np.bool_]  # [V]
    patients: NDArray[np.str_]  # [V]
    words: str


def validation_of(trial_folder: Path) -> Source:
    """The validation films of a trial."""
    trial = load_trial(TrialFolder(trial_folder))
    films, labels = trial.inputs("val")
    positive = labels != trial.record.classes.index(trial.record.negative_class or "")
    return Source(films, positive, trial.patients("val"), trial.record.calibration.data)


def phantoms(side: int, count: int = 800) -> Source:
    """Synthetic films whose brightness varies from film to film; every second has an opacity."""
    random = np.random.default_rng(0)
    films = [phantom(side, side, seed=seed, opacity=0.8 * (seed % 2)) * random.uniform(0.7, 1) for seed in range(count)]
    stacked = (np.stack(films)[:, np.newaxis] / 255).astype(np.float32)
    return Source(stacked, np.arange(count) % 2 == 1, np.arange(count).astype(str), f"{count} phantoms")


def signals_of(bundle: Bundle, films: Films) -> tuple[Signals, ...]:
    """What the service would compare of each film."""
    manifest = bundle.manifest
    engine = OnnxEngine.open(bundle, provider="cpu", intra_op_threads=1)
    rows = []
    for film in films:
        said = dict(
            zip(manifest.classes, engine.run(film[np.newaxis], None).probabilities[0].astype(float), strict=True)
        )
        rows.append(film_signals(asdict(input_statistics(film)), said, manifest.findings))
    return tuple(rows)


def reference_of(rows: Iterable[Signals]) -> DriftReference:
    """As the exporter makes it."""
    kept = list(rows)
    signals = {name: signal_reference([row[name] for row in kept]) for name in kept[0]}
    return DriftReference(data="half of validation", signals=signals)


def first_alarm(window: DriftWindow, films: Iterable[Signals], *, every: int = 1) -> tuple[int, tuple[str, ...]] | None:
    """The number of the film after which a signal is seen above its limit, from 1, and those signals.

    Args:
        window: whatever it holds already.
        films: that arrive.
        every: films between two looks.
    """
    for number, film in enumerate(films, 1):
        window.add(film)
        if number % every:
            continue
        if over := tuple(name for name in window.signals if window.index(name) > window.limit(name)):
            return number, over
    return None


def halves(patients: NDArray[np.str_], random: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Films of one half of the patients, and of the other."""
    names = np.unique(patients)
    chosen = np.isin(patients, random.permutation(names)[: len(names) // 2])
    return chosen, ~chosen


def streams(rounds: int, patients: NDArray[np.str_], *, split: bool) -> Draws:
    """For each round a way to draw films that arrive, and the films of the reference."""
    for seed in range(rounds):
        random = np.random.default_rng(seed)
        known, arriving = halves(patients, random) if split else (np.ones(len(patients), np.bool_),) * 2
        yield partial(_drawn, np.flatnonzero(arriving), random), np.flatnonzero(known).tolist()


def _drawn(pool: NDArray[np.int64], random: np.random.Generator, count: int) -> list[int]:
    films: list[int] = random.choice(pool, count).tolist()
    return films


def clean_row(rows: tuple[Signals, ...], patients: NDArray[np.str_], *, rounds: int, size: int, split: bool) -> str:
    """How many streams of clean films were quiet to their end."""
    alarms = []
    for draw, known in streams(rounds, patients, split=split):
        window = DriftWindow(reference_of(rows[index] for index in known), size)
        alarms.append(first_alarm(window, (rows[index] for index in draw(CLEAN)), every=LOOK))
    quiet = alarms.count(None)
    which = sorted({name for alarm in alarms if alarm for name in alarm[1]})
    what = "half of the patients | the other half" if split else "all of them, as shipped | all of them"
    return f"| {what} | {quiet} of {rounds} | {wilson_interval(quiet, rounds):.2f} | {', '.join(which) or '-'} |"


def shifted_row(name: str, rows: tuple[Signals, ...], changed: tuple[Signals, ...], draws: Draws, size: int) -> str:
    """How many films of another kind it takes, after a window of clean ones."""
    found: list[int] = []
    first: set[str] = set()
    for draw, known in draws:
        window = DriftWindow(reference_of(rows[index] for index in known), size)
        for index in draw(size):
            window.add(rows[index])
        if alarm := first_alarm(window, (changed[index] for index in draw(SHIFTED))):
            found.append(alarm[0])
            first |= set(alarm[1])
    when = f"{statistics.median(found):.0f} | {max(found)}" if found else "- | -"
    return f"| {name} | {len(found)} | {when} | {', '.join(sorted(first)) or '-'} |"


def at_operating_point(bundle: Bundle, rows: tuple[Signals, ...], labels: NDArray[np.bool_]) -> str:
    """Sensitivity and specificity of films, as two cells."""
    point = bundle.manifest.calibration.operating_points[0]
    called = np.array([row[f"probability:{point.finding}"] >= point.threshold for row in rows])
    sensitivity = wilson_interval(int((called & labels).sum()), int(labels.sum()))
    specificity = wilson_interval(int((~called & ~labels).sum()), int((~labels).sum()))
    return f" {sensitivity:.2f} | {specificity:.2f} |"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="folder of the bundle whose network looks at the films")
    parser.add_argument("--trial", type=Path, help="folder of the trial whose validation films are used")
    parser.add_argument("--rounds", type=int, default=100, help="streams of each kind (default: %(default)s)")
    parser.add_argument("--window", type=int, default=200, help="films, CXR_DRIFT_WINDOW (default: %(default)s)")
    parser.add_argument("--change", action="append", choices=SHIFTS, help="of the films; default: all of them")
    return parser.parse_args()


def main() -> None:
    """Print the page."""
    chosen = options()
    rounds = chosen.rounds
    size = chosen.window
    bundle = open_bundle(chosen.bundle)
    manifest = bundle.manifest
    source = validation_of(chosen.trial) if chosen.trial else phantoms(manifest.preprocess.size)
    clean = signals_of(bundle, source.films)
    print(f"""# Drift, simulated

This page shows how rarely the [drift alert](../monitoring.md#drift) fires without cause, and how soon with one, on
simulated streams of films. `python -m benchmarks.drift` used the network {manifest.architecture} of
{manifest.name}/{manifest.version} and {source.words}. Windows have {size} films; {rounds} streams of each kind were
drawn with replacement; an alarm is any of {len(clean[0])} signals above its limit.

## {CLEAN:,} clean films

The signals were checked after every {LOOK}th film.

| reference | films drawn from | quiet streams | share | signals of the alarms |
| --- | --- | ---: | ---: | --- |""")
    for split in (True, False):
        print(clean_row(clean, source.patients, rounds=rounds, size=size, split=split), flush=True)
    print(f"""
## {SHIFTED} films of another kind, after {size} clean ones

The reference is half of the patients, and the films are those of the other half. The signals were checked after every
film. Sensitivity and specificity are those of all validation films under the change, with the threshold unchanged.

| change | alarms of {rounds} | films to alarm, median | most | signals that fired first | sensitivity | specificity |
| --- | ---: | ---: | ---: | --- | ---: | ---: |""")
    for name in chosen.change or SHIFTS:
        change = SHIFTS[name]
        changed = signals_of(bundle, shifted(source.films, change))
        row = shifted_row(name, clean, changed, streams(rounds, source.patients, split=True), size)
        print(row + at_operating_point(bundle, changed, source.labels), flush=True)


if __name__ == "__main__":
    main()
