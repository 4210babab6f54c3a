"""The validation films of a trial with its network's answers, and the choice of those that are shown and measured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.model.decision import finding_label, softmax
from trainer.films.film import described
from trainer.folder import TrialFolder
from trainer.heat_maps.sheets import Panel
from trainer.networks.gradcam import explain
from trainer.networks.inference import outputs
from trainer.networks.network import Network
from trainer.trials.trial import load_trial

Films = NDArray[np.intp]  # indices


@dataclass(frozen=True, slots=True)
class ExplainedFilms:
    """Films, truth and answers, and the network that their maps explain."""

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


def read_explained_films(folder: TrialFolder) -> ExplainedFilms:
    """The validation films of a trial, and its network's answers to them.

    Raises:
        TrainingDataError: the trial has not ended, or its films cannot be read.
    """
    trial = load_trial(folder)
    record = trial.record
    points = record.calibration.operating_points
    films, truth = trial.inputs("val")
    validation = trial.dataset.films("val", record.fold)
    logits, _ = outputs(trial.network, films)
    probabilities = softmax(logits.numpy(), record.calibration.temperature)
    labels = [finding_label(row, record.classes, record.negative_class, points) for row in probabilities]
    distances = [np.abs(probabilities[:, record.classes.index(point.finding)] - point.threshold) for point in points]
    first = np.zeros(len(truth), bool)
    first[np.unique(trial.patients("val"), return_index=True)[1]] = True
    return ExplainedFilms(
        network=trial.network,
        classes=record.classes,
        data=described("validation", validation),
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
