"""Whether the drift alert is quiet over 5,000 clean films and fires within 200 of another contrast: simulated streams.

Validation films of a trial are split by patient, again and again: one half is the reference, the other is drawn from,
with replacement, as films that arrive. The windows are the service's own. Prints the page docs/results/drift.md.

    python -m benchmarks.drift models/NAME/VERSION --trial runs/ID/trials/NAME

Without --trial phantoms stand in for the films.
"""

import argparse
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.drift import signal_reference
from imaging.phantom import phantom
from imaging.quality import input_statistics
from schemas.bundle import Bundle, open_bundle
from schemas.drift import DriftReference, film_signals
from service.drift import DriftWindow
from service.engine import OnnxEngine
from trainer.config import read_config
from trainer.data import films_of
from trainer.intervals import wilson_interval
from trainer.trial import load_trial

CONTRASTS = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0)
CLEAN, SHIFTED = 5000, 200
Films = NDArray[np.float32]
Signals = Mapping[str, float]


@dataclass(frozen=True)
class Source:
    """Films that stand for those of a hospital."""

    films: Films  # [V, 1, S, S] in [0, 1]
    labels: NDArray[np.bool_]  # [V]
    patients: NDArray[np.str_]  # [V]
    words: str


def validation_of(trial_folder: Path) -> Source:
    """The validation films of a trial."""
    trial = load_trial(trial_folder)
    films, labels = trial.inputs("val")
    run = trial_folder.parent.parent
    patients = [film.patient for film in films_of(read_config(run), run, "val", trial.record.fold)]
    positive = labels != trial.record.classes.index(trial.record.negative_class or "")
    return Source(films, positive, np.array(patients), trial.record.calibration.data)


def phantoms(side: int, count: int = 800) -> Source:
    """Synthetic films whose brightness varies from film to film; every second has an opacity."""
    random = np.random.default_rng(0)
    films = [phantom(side, side, seed=seed, opacity=0.8 * (seed % 2)) * random.uniform(0.7, 1) for seed in range(count)]
    stacked = np.stack(films)[:, np.newaxis].astype(np.float32) / 255
    return Source(stacked, np.arange(count) % 2 == 1, np.arange(count).astype(str), f"{count} phantoms")


def with_contrast(film: Films, factor: float) -> Films:
    """A film whose pixels lie `factor` times as far from its mean, clipped to [0, 1]."""
    stretched: Films = np.clip(film.mean() + factor * (film - film.mean()), 0, 1)
    return stretched


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


def first_alarm(window: DriftWindow, films: Iterable[Signals]) -> tuple[int, tuple[str, ...]] | None:
    """The number of the film after which a signal is above its limit, from 1, and those signals."""
    for number, film in enumerate(films, 1):
        window.add(film)
        if over := tuple(name for name in window.signals if window.index(name) > window.limit(name)):
            return number, over
    return None


def halves(patients: NDArray[np.str_], random: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Films of one half of the patients, and of the other."""
    names = np.unique(patients)
    chosen = np.isin(patients, random.permutation(names)[: len(names) // 2])
    return chosen, ~chosen


def streams(
    rounds: int, patients: NDArray[np.str_], *, split: bool
) -> Iterator[tuple[Callable[..., list[int]], list[int]]]:
    """For each round a way to draw films that arrive, and the films of the reference."""
    for seed in range(rounds):
        random = np.random.default_rng(seed)
        known, pool = halves(patients, random) if split else (np.full(len(patients), True),) * 2  # noqa: FBT003 a mask

        def draw(count: int, *, pool: NDArray[np.bool_] = pool, random: np.random.Generator = random) -> list[int]:
            drawn: list[int] = random.choice(np.flatnonzero(pool), count).tolist()
            return drawn

        yield draw, np.flatnonzero(known).tolist()


def clean_row(rows: tuple[Signals, ...], source: Source, *, rounds: int, size: int, split: bool) -> str:
    """How many streams of clean films were quiet to their end."""
    alarms = []
    for draw, known in streams(rounds, source.patients, split=split):
        window = DriftWindow(reference_of(rows[index] for index in known), size)
        alarms.append(first_alarm(window, (rows[index] for index in draw(CLEAN))))
    quiet = alarms.count(None)
    rate = wilson_interval(quiet, rounds)
    which = sorted({name for alarm in alarms if alarm for name in alarm[1]})
    what = "the other half's patients" if split else "all validation films"
    reference = "half of the patients" if split else "all validation films (as shipped)"
    return f"| {reference} | {what} | {quiet} of {rounds} | {rate:.2f} | {', '.join(which) or '-'} |"


def shifted_row(  # noqa: PLR0913 - what a simulation is a function of
    rows: tuple[Signals, ...],
    shifted: tuple[Signals, ...],
    source: Source,
    threshold: float,
    finding: str,
    factor: float,
    *,
    rounds: int,
    size: int,
) -> str:
    """How many films of another contrast it takes, after a window of clean ones."""
    found: list[int] = []
    first: set[str] = set()
    for draw, known in streams(rounds, source.patients, split=True):
        window = DriftWindow(reference_of(rows[index] for index in known), size)
        for index in draw(size):
            window.add(rows[index])
        if alarm := first_alarm(window, (shifted[index] for index in draw(SHIFTED))):
            found.append(alarm[0])
            first |= set(alarm[1])
    called = np.array([row[f"probability:{finding}"] >= threshold for row in shifted])
    sensitivity = wilson_interval(int((called & source.labels).sum()), int(source.labels.sum()))
    specificity = wilson_interval(int((~called & ~source.labels).sum()), int((~source.labels).sum()))
    when = f"{statistics.median(found):.0f} | {max(found)}" if found else "- | -"
    return (
        f"| {factor:g} | {len(found)} of {rounds} | {when} | {', '.join(sorted(first)) or '-'} "
        f"| {sensitivity:.2f} | {specificity:.2f} |"
    )


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="folder of the bundle whose network looks at the films")
    parser.add_argument("--trial", type=Path, help="folder of the trial whose validation films are used")
    parser.add_argument("--rounds", type=int, default=100, help="streams of each kind (default: %(default)s)")
    parser.add_argument("--window", type=int, default=200, help="films, CXR_DRIFT_WINDOW (default: %(default)s)")
    chosen = parser.parse_args()
    rounds, size = chosen.rounds, chosen.window
    bundle = open_bundle(chosen.bundle)
    manifest, point = bundle.manifest, bundle.manifest.calibration.operating_points[0]
    source = validation_of(chosen.trial) if chosen.trial else phantoms(manifest.preprocess.size)
    seen = {
        factor: signals_of(bundle, np.stack([with_contrast(film, factor) for film in source.films]))
        for factor in CONTRASTS
    }
    clean = seen[1.0]
    print(
        f"# Drift, simulated\n\n`python -m benchmarks.drift`: {manifest.architecture} of {manifest.name}/{manifest.version}, {source.words};"
    )
    print(
        f"window of {size} films, {rounds} streams of each kind, an alarm is any signal above its limit at any film.\n"
    )
    print(
        f"## {CLEAN:,} clean films\n\n| reference | films drawn from | quiet streams | share | signals of the alarms |"
    )
    print("| --- | --- | ---: | ---: | --- |")
    for split in (True, False):
        print(clean_row(clean, source, rounds=rounds, size=size, split=split), flush=True)
    print(f"\n## {SHIFTED} films of another contrast, after {size} clean ones\n")
    print(
        "Reference: half of the patients; films of the other half. Sensitivity and specificity: of all films of validation.\n"
    )
    print(
        "| contrast | alarms | films to the alarm, median | most | signals that fired first | sensitivity | specificity |"
    )
    print("| ---: | ---: | ---: | ---: | --- | ---: | ---: |")
    for factor in CONTRASTS:
        print(
            shifted_row(clean, seen[factor], source, point.threshold, point.finding, factor, rounds=rounds, size=size),
            flush=True,
        )


if __name__ == "__main__":
    main()
