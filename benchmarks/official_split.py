"""How Kermany's official test films differ from those that a run can choose on, and how answers differ with them.

    python -m benchmarks.official_split runs/three-light

Reads a run with `classes=kermany3` that has ended, and its films; trains nothing. Writes
docs/results/official-split.md.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.leaderboard.tables import table
from biostatistics.delong import delong_interval
from bundle.files import write_whole
from imaging.decode import decode
from trainer.config import read_config
from trainer.films.dataset import read_dataset
from trainer.films.film import KERMANY, SPLITS, Film
from trainer.films.sources.kermany import THREE_CLASSES
from trainer.folder import PARTS, Part, RunFolder
from trainer.judging.outputs import SavedOutputs
from trainer.runs.leaderboard import read_leaderboard

PAGE = Path("docs/results/official-split.md")
NORMAL, BACTERIAL, VIRAL = range(3)
NUMBERS = (0, 200, 500, 1000, 1500, 2000)
TEXT = """# How the official test films differ

This page explains why figures on the official test films of Kermany's set differ from those on validation films. It
was measured after every
network had been chosen, so nothing was chosen by it. With two classes, every network is worse on the test films than
on validation
([what was tried](specificity.md)); with [three classes](three-classes.md), it is better.

**The test films are not a random sample.** The names of the files number the patients, in four series, and the
official split took ranges of
these numbers. Validation consists of random patients of train, who have other numbers."""
MEASURES = (
    "Sharpness is the natural logarithm of the variance of the Laplacian, contrast the standard deviation of "
    "the pixels. Both are medians over "
    "films; white is 1. The films are copies of 224 x 224 pixels; exact copies in train are dropped; val is "
    "what the run split off."
)
GERMS = (
    "The table shows the AUROC of viral against bacterial pneumonia, without normal films, by range of "
    "patient numbers. Brackets: 95 % intervals, "
    "the films of a patient taken together. On the test films the two are separated much better, also by "
    "contrast alone: the bacterial test films "
    "are of few patients, with low numbers, and in validation, too, films with low numbers tend to be "
    "separated better. How films were taken "
    "changes with the numbers, so an AUROC of three classes on these test films shows little about germs."
)
ALARMS = (
    "The class is the one with the largest of the three probabilities. Nearly all false alarms are films of "
    "the series NORMAL2-IM, of which the "
    "official split tests only the lowest numbers."
)


@dataclass(frozen=True, slots=True)
class Looked:
    """A film with what its name and its pixels say."""

    film: Film
    series: str
    number: int
    contrast: float
    """Standard deviation of the pixels, white is 1."""
    sharpness: float
    """Natural logarithm of the variance of the Laplacian, white is 1."""


def look(film: Film) -> Looked:
    """Decode a film and take its name apart."""
    name = KERMANY.search(film.path.name)
    if name is None:
        sys.exit(f"{film.path} is not named as Kermany's films are; this program is for them alone")
    radiograph = decode(film.path.read_bytes())
    pixels = radiograph.pixels.astype(np.float64) / radiograph.largest_value
    laplacian = cv2.Laplacian(pixels, cv2.CV_64F)
    series = f"{name['prefix']}, {name['subtype']}" if name["subtype"] else name["prefix"].rstrip("-")
    return Looked(film, series, int(name["number"]), float(pixels.std()), float(np.log(laplacian.var())))


def series_table(films: Sequence[Looked]) -> str:
    """What every series has in every split."""
    rows = []
    for series in sorted({one.series for one in films}):
        for split in SPLITS:
            own = [one for one in films if one.series == series and one.film.split == split]
            if own:
                rows.append((
                    f"{series}: {split}",
                    f"{len(own):,}",
                    f"{len({one.film.numbered_patient for one in own}):,}",
                    f"{min(one.number for one in own)} to {max(one.number for one in own)}",
                    f"{median(one.sharpness for one in own):.2f}",
                    f"{median(one.contrast for one in own):.3f}",
                ))  # fmt: skip
    return table(("series: split", "films", "patients", "numbers", "sharpness", "contrast"), rows)


@dataclass(frozen=True, slots=True)
class Answers:
    """What every network of the run answered to the films of a split."""

    films: tuple[Looked, ...]
    labels: NDArray[np.int64]
    logits: dict[str, NDArray[np.float32]]
    """By the network's name; in the order of the films."""


def answers_of(run: RunFolder, trials: Sequence[str], part: Part, films: dict[str, Looked]) -> Answers:
    """Read what the run saved of its validation or test films."""
    saved = {trial.replace("-seed", ", seed "): SavedOutputs.read(run.trial(trial).outputs(part)) for trial in trials}
    first = next(iter(saved.values()))
    return Answers(
        tuple(films[path] for path in first.films), first.labels, {name: one.logits for name, one in saved.items()}
    )


def germ_rows(split: str, answers: Answers) -> Iterator[tuple[str, ...]]:
    """Viral against bacterial by stretch of numbers: the AUROC of contrast alone and of every network."""
    numbers = np.array([film.number for film in answers.films])
    patients = np.array([film.film.patient for film in answers.films])
    scores = {
        "contrast": np.array([film.contrast for film in answers.films]),
        **{name: logits[:, VIRAL] - logits[:, BACTERIAL] for name, logits in answers.logits.items()},
    }
    for low, high in ((NUMBERS[0], NUMBERS[-1]), *pairwise(NUMBERS)):
        held = (answers.labels != NORMAL) & (numbers >= low) & (numbers < high)
        viral = answers.labels[held] == VIRAL
        if 0 < viral.sum() < len(viral):
            areas = (delong_interval(viral, score[held], patients=patients[held]) for score in scores.values())
            yield (f"{split}, {low} to {high - 1}", f"{(~viral).sum()} + {viral.sum()}", *map(str, areas))


def alarm_rows(split: str, answers: Answers) -> Iterator[tuple[str, ...]]:
    """Normal films that a network calls pneumonia of either kind, by series."""
    series = np.where(answers.labels == NORMAL, [film.series for film in answers.films], "")
    for name in sorted(set(series) - {""}):
        own = series == name
        called = (f"{(logits[own].argmax(axis=1) != NORMAL).sum()}" for logits in answers.logits.values())
        yield (f"{split}, {name}", str(own.sum()), *called)


def document(films: Sequence[Looked], answers: dict[str, Answers], command: str) -> str:
    """The page."""
    networks = tuple(answers["test"].logits)
    germs = [row for split, one in answers.items() for row in germ_rows(split, one)]
    alarms = [row for split, one in answers.items() for row in alarm_rows(split, one)]
    parts = (
        TEXT,
        series_table(films),
        MEASURES,
        "## Bacterial or viral",
        GERMS,
        table(("split, numbers", "bacterial + viral", "contrast alone", *networks), germs),
        "## Normal films called pneumonia",
        ALARMS,
        table(("split, series", "normal films", *networks), alarms),
        f"    {command}",
    )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Read the run, look at its films, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run with classes=kermany3 that has ended")
    run = RunFolder(parser.parse_args().run)
    board = read_leaderboard(run)
    data = read_config(run).data
    if data.classes != "kermany3":
        sys.exit(f"{run} was trained with classes={data.classes}; this program compares {', '.join(THREE_CLASSES)}")
    split = read_dataset(run, data).split
    films = [look(film) for film in track(split.films, "films", console=Console(stderr=True))]
    by_path = {one.film.path.relative_to(split.root).as_posix(): one for one in films}
    trials = [row.trial for row in board.rows if "-seed" in row.trial]
    answers: dict[str, Answers] = {part: answers_of(run, trials, part, by_path) for part in PARTS}
    text = document(films, answers, f"python -m benchmarks.official_split {run}")
    write_whole(PAGE, text.encode())
    print(text)


if __name__ == "__main__":
    main()
