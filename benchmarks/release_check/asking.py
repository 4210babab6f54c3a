"""The service as a network: what it answers to files, as logits that the trainer's measures take."""

import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.resilience.server import Server
from schemas.model.calibration import Calibration
from schemas.model.manifest import BundleManifest
from schemas.preprocess import PreprocessSpec

OUTSIDE = "outside_population"
_TINY = 1e-300  # the logarithm of a probability that was rounded to 0
_ALMOST = 1 - 2.0**-53  # the same of one that was rounded to 1
_LEVELS = 2**16 - 1
_AT_ONCE = 256  # files that are held at once


@dataclass(frozen=True, slots=True)
class Answered:
    """What the service answers to V files; an abstention has probabilities, too."""

    logits: NDArray[np.float64]
    """[V, K]; of classes up to a constant."""
    familiar: tuple[bool | None, ...]
    """[V], whether the out-of-distribution check and the guide take it; None: neither was asked."""
    outside: int
    """How many of them are outside the bundle's population, by the guide or by the age in the file."""


class Asker:
    """A running service with its bundle."""

    def __init__(self, server: Server, manifest: BundleManifest, pool: ThreadPoolExecutor) -> None:
        self._server = server
        self._pool = pool
        self.manifest = manifest

    def answered(self, files: Iterable[bytes], count: int, title: str) -> Answered:
        """Post files.

        Args:
            files: at least one, in a format that the service reads.
            count: how many there are.
            title: of the bar that shows how many are answered.
        """
        predictions = list(track(self._predictions(iter(files)), total=count, description=title))
        outside = [OUTSIDE in one["abstention_reasons"] for one in predictions]
        probabilities = np.array([self._probabilities(one) for one in predictions])
        return Answered(
            logits_of(probabilities, self.manifest.calibration, self.manifest.classes),
            tuple(False if out else one["in_distribution"] for one, out in zip(predictions, outside, strict=True)),
            sum(outside),
        )

    def _predictions(self, files: Iterator[bytes]) -> Iterator[dict[str, Any]]:
        while some := list(islice(files, _AT_ONCE)):
            yield from self._pool.map(self._ask, some)

    def _ask(self, file: bytes) -> dict[str, Any]:
        status, body = self._server.ask("POST", "/predict", file)
        if status != HTTPStatus.OK:
            sys.exit(f"a film is answered with {status}: {body.decode()}")
        prediction: dict[str, Any] = json.loads(body)["prediction"]
        return prediction

    def _probabilities(self, prediction: dict[str, Any]) -> list[float]:
        """[K], of classes that exclude one another, or of each finding by itself."""
        if self.manifest.activation == "softmax":
            return [prediction["probabilities"][name] for name in self.manifest.classes]
        findings = {finding["name"]: finding["probability"] for finding in prediction["findings"]}
        return [findings[name] for name in self.manifest.classes]


def logits_of(
    probabilities: NDArray[np.float64], calibration: Calibration, classes: tuple[str, ...]
) -> NDArray[np.float64]:
    """Logits [V, K] that `schemas.model.decision.calibrated` makes these probabilities [V, K] of again.

    Args:
        probabilities: in [0, 1].
        calibration: its `scaling` tells findings that are judged by themselves from classes.
        classes: K names.
    """
    logits: NDArray[np.float64] = np.log(np.maximum(probabilities, _TINY))
    if calibration.scaling is None:
        return calibration.temperature * logits
    logits -= np.log1p(-np.minimum(probabilities, _ALMOST))
    scalings = [calibration.scaling[name] for name in classes]
    return (logits - [one.offset for one in scalings]) / [one.slope for one in scalings]


def repeatable(spec: PreprocessSpec) -> bool:
    """Whether a prepared film that is sent as a file is prepared to itself: not where the film's own levels decide."""
    return spec.intensity == "full_range" and spec.clahe is None


def file_of(film: NDArray[np.float32]) -> bytes:
    """A prepared film [1, S, S] in [0, 1] as a PNG of 16 bits: a step moves no probability in its third digit."""
    return cv2.imencode(".png", (film[0] * _LEVELS).round().astype(np.uint16))[1].tobytes()
