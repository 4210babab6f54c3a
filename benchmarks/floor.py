"""What a network has to beat on Kermany's films: ridge regression on their pixels, which knows no lung.

    python -m benchmarks.floor runs/first

Takes films and split of a run with two classes, as any of the same data has them. Validation chooses the penalty,
then the
test films are looked at. Prints one line; docs/results/two-classes.md has it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from biostatistics.delong import delong_interval
from imaging.decode import decode
from schemas.estimate import Estimate
from trainer.config import read_config
from trainer.films.dataset import read_dataset
from trainer.films.film import Film
from trainer.folder import RunFolder

SIDE = 48
PENALTIES = tuple(10.0**power for power in range(-2, 5))
_CLASSES = 2


def pixels_of(film: Film) -> NDArray[np.float64]:
    """A film as `SIDE` x `SIDE` mean gray levels [D], white is 1."""
    shown = decode(film.path.read_bytes())
    gray = shown.pixels.astype(np.float64) / shown.largest_value
    return np.asarray(cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float64).ravel()


def ridge(
    pixels: NDArray[np.float64], truth: NDArray[np.float64], penalties: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Weights [D + 1], the last for the constant, of least squares with each penalty on all but the constant.

    Args:
        pixels: [N, D].
        truth: [N], 0 or 1.
        penalties: > 0, of the squared weights.
    """
    center = pixels.mean(axis=0)
    level = truth.mean()
    gram = (pixels - center).T @ (pixels - center)
    moment = (pixels - center).T @ (truth - level)
    found = [np.linalg.solve(gram + penalty * np.eye(len(gram)), moment) for penalty in penalties]
    return [np.append(weights, level - center @ weights) for weights in found]


def scores(weights: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fitted truth of films [N, D]."""
    fitted: NDArray[np.float64] = pixels @ weights[:-1] + weights[-1]
    return fitted


def main() -> None:
    """Fit, choose, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run that knows the split")
    run = RunFolder(parser.parse_args().run)
    split = read_dataset(run, read_config(run).data).split
    sets = {name: split.of(name) for name in ("train", "val", "test")}
    classes = sorted({film.label for film in sets["train"]})
    if len(classes) != _CLASSES:
        sys.exit(f"the run tells {', '.join(classes)} apart; give one of two classes")
    pixels = {
        name: np.stack([pixels_of(film) for film in track(films, description=name)]) for name, films in sets.items()
    }
    truth = {name: np.array([film.label == classes[1] for film in films]) for name, films in sets.items()}
    fitted = ridge(pixels["train"], truth["train"].astype(np.float64), PENALTIES)

    def auroc(weights: NDArray[np.float64], name: str) -> Estimate:
        patients = [film.patient for film in sets[name]]
        return delong_interval(truth[name], scores(weights, pixels[name]), patients=patients)

    penalty, weights = max(zip(PENALTIES, fitted, strict=True), key=lambda one: auroc(one[1], "val").value)
    validated = auroc(weights, "val")
    tested = auroc(weights, "test")
    print(f"{SIDE} x {SIDE} pixels, penalty {penalty:g}: AUROC {validated} on validation, {tested} on test")


if __name__ == "__main__":
    main()
