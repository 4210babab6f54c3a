"""The validation films of a trial with what its network says of them, and the choice of those that are shown and judged."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.model.decision import finding_label, softmax
from trainer.config import read_config
from trainer.films.dataset import described, films_of
from trainer.heat_maps.sheets import Panel
from trainer.networks.gradcam import explain
from trainer.networks.inference import outputs
from trainer.networks.network import Network
from trainer.trials.trial import TRIALS, load_trial

Films = NDArray[np.intp]  # indices


@dataclass(frozen=True, slots=True)
class ExplainedFilms:
    """Films, truth and answers, and the network for their maps."""

    network: Network
    classes: tuple[str, ...]
    data: str
    """The films in words."""
    films: NDArray[np.float32]  # [V, 1, S, S]
    truth: NDArray[np.int64]  # [V]
    called: NDArray[np.int64]  # [V], at the operating points
    probabilities: NDArray[np.float64]  # [V, K], calibrated
    margins: NDArray[np.float64]  # [V], distance to the nearest threshold
    first_of_patient: NDArray[np.bool_]  # [V]
    temperature: float

    def maps(self, films: Films, targets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Grad-CAMs [n, h, w] of films for the class that each is asked about."""
        return explain(self.network, self.films[films], targets)

    def of_patients(self, index: int, count: int) -> Films:
        """At most `count` films of a class, one a patient, evenly spaced in the order of the data."""
        independent = np.flatnonzero((self.truth == index) & self.first_of_patient)
        return independent[_spaced(len(independent), count)]

    def kinds(self, index: int, count: int) -> dict[str, Films]:
        """Films of a class by how they were called, at most `count` of each kind."""
        of_class = np.flatnonzero(self.truth == index)
        confidence = self.probabilities[of_class, self.called[of_class]]
        surest_first = of_class[np.argsort(-confidence, kind="stable")]
        correct = self.called[surest_first] == index
        return {
            "correct": surest_first[correct][_spaced(int(correct.sum()), count)],
            "wrong": surest_first[~correct][:count],
            "borderline": of_class[np.argsort(self.margins[of_class], kind="stable")][:count],
        }

    def panels(self, films: Films) -> tuple[Panel, ...]:
        """Films with their maps for the class that they were called."""
        if not len(films):
            return ()
        called = self.called[films]
        return tuple(
            Panel(
                film=self.films[film, 0],
                map=map_,
                caption=f"truth {self.classes[self.truth[film]]}\n"
                f"called {self.classes[label]}, {self.probabilities[film, label]:.3f}",
            )
            for film, label, map_ in zip(films.tolist(), called.tolist(), self.maps(films, called), strict=True)
        )


def read_explained_films(run: Path, name: str) -> ExplainedFilms:
    """The validation films of a trial, asked once more.

    Raises:
        TrainingDataError: the trial has not ended, or its films cannot be read.
    """
    trial = load_trial(run / TRIALS / name)
    record = trial.record
    points = trial.record.calibration.operating_points
    films, truth = trial.inputs("val")
    kept = films_of(read_config(run), run, "val", record.fold)
    logits, _ = outputs(trial.network, films)
    probabilities = softmax(logits.numpy(), record.calibration.temperature)
    labels = [finding_label(row, record.classes, record.negative_class, points) for row in probabilities]
    distances = [np.abs(probabilities[:, record.classes.index(point.finding)] - point.threshold) for point in points]
    first = np.zeros(len(truth), bool)
    first[np.unique([film.patient for film in kept], return_index=True)[1]] = True
    return ExplainedFilms(
        network=trial.network,
        classes=record.classes,
        data=described("validation", kept),
        films=films,
        truth=truth,
        called=np.array([record.classes.index(label) for label in labels]),
        probabilities=probabilities,
        margins=np.min(distances, axis=0),
        first_of_patient=first,
        temperature=record.calibration.temperature,
    )


def _spaced(length: int, count: int) -> Films:
    """At most `count` of `length` places, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(np.intp))
