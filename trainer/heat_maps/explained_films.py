"""The validation films of a trial with its network's answers, and the choice of those that are shown and measured."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from schemas.model.decision import calibrated, finding_label
from schemas.model.trial import TrialRecord
from trainer.films.film import described
from trainer.films.task import Labels
from trainer.folder import TrialFolder
from trainer.heat_maps.sheets import Panel
from trainer.judging.findings.answers import called_findings
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
    truth: Labels  # [V], or of findings [V, K]
    called: NDArray[np.int64] | NDArray[np.bool_]
    """[V], at the operating points, as indices into the classes; or [V, K], which findings are called."""
    probabilities: NDArray[np.float64]  # [V, K], calibrated
    margins: NDArray[np.float64]  # [V, P], distance to the threshold of each finding
    first_of_patient: NDArray[np.bool_]  # [V]
    probabilities_of: Callable[[NDArray[np.float32]], NDArray[np.float64]]
    """Makes logits calibrated probabilities."""

    @property
    def alone(self) -> bool:
        """Whether each class is a finding that is judged by itself."""
        return self.truth.ndim > 1

    @property
    def what_is_explained(self) -> str:
        """Which class the map of a film is of, in words."""
        return "the finding" if self.alone else "the class that it was called"

    def maps(self, films: Films, targets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Grad-CAMs [n, h, w] of films for the class that each is asked about."""
        return explain(self.network, self.films[films], targets)

    def explained(self, index: int, films: Films) -> NDArray[np.int64]:
        """The class that is explained on films of a class, [n]: the one that each was called, or the finding itself."""
        return np.full(len(films), index) if self.alone else self.called[films].astype(np.int64)

    def of_patients(self, index: int, count: int) -> Films:
        """At most `count` films of a class, one a patient, evenly spaced in the order of the data."""
        independent = np.flatnonzero(self._having(index) & self.first_of_patient)
        return independent[_spaced(len(independent), count)]

    def kinds(self, index: int, count: int) -> dict[str, Films]:
        """Films of a class by how they were called, at most `count` of each kind."""
        of_class = np.flatnonzero(self._having(index))
        correct = self.called[of_class, index] if self.alone else self.called[of_class] == index
        certainty = self.probabilities[of_class, self.explained(index, of_class)]
        if self.alone:
            certainty = np.where(correct, certainty, 1 - certainty)
        order = np.argsort(-certainty, kind="stable")
        surest_first, correct = of_class[order], correct[order].astype(np.bool_)
        margins = self.margins[of_class, index] if self.alone else self.margins[of_class].min(axis=1)
        return {
            "correct": surest_first[correct][_spaced(int(correct.sum()), count)],
            "wrong": surest_first[~correct][:count],
            "borderline": of_class[np.argsort(margins, kind="stable")][:count],
        }

    def panels(self, films: Films, index: int) -> tuple[Panel, ...]:
        """Films of a class with their maps for the class that they were called, or for the finding."""
        if not len(films):
            return ()
        targets = self.explained(index, films)
        maps = self.maps(films, targets)
        return tuple(
            Panel(film=self.films[film, 0], map=map_, caption=self._caption(film, target))
            for film, target, map_ in zip(films.tolist(), targets.tolist(), maps, strict=True)
        )

    def _having(self, index: int) -> NDArray[np.bool_]:
        """The films of a class, or with a finding, [V]."""
        return np.equal(self.truth[:, index], 1) if self.alone else np.equal(self.truth, index)

    def _caption(self, film: int, target: int) -> str:
        probability = f"{self.probabilities[film, target]:.3f}"
        if self.alone:
            call = "called" if self.called[film, target] else "not called"
            return f"truth {self.classes[target]}\n{call}, {probability}"
        return f"truth {self.classes[self.truth[film]]}\ncalled {self.classes[target]}, {probability}"


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
    probabilities = _probabilities_of(record)(outputs(trial.network, films)[0].numpy())
    distances = [np.abs(probabilities[:, record.classes.index(point.finding)] - point.threshold) for point in points]
    first = np.zeros(len(films), bool)
    first[np.unique(trial.patients("val"), return_index=True)[1]] = True
    return ExplainedFilms(
        network=trial.network,
        classes=record.classes,
        data=described("validation", validation),
        films=films,
        truth=truth,
        called=_called(probabilities, record),
        probabilities=probabilities,
        margins=np.stack(distances, axis=1),
        first_of_patient=first,
        probabilities_of=_probabilities_of(record),
    )


def _probabilities_of(record: TrialRecord) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    return partial(calibrated, calibration=record.calibration, classes=record.classes)


def _called(probabilities: NDArray[np.float64], record: TrialRecord) -> NDArray[np.int64] | NDArray[np.bool_]:
    points = record.calibration.operating_points
    if record.activation == "sigmoid":
        return called_findings(probabilities, record.classes, points)
    labels = [finding_label(row, record.classes, record.negative_class, points) for row in probabilities]
    return np.array([record.classes.index(label) for label in labels])


def _spaced(length: int, count: int) -> Films:
    """At most `count` of `length` places, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(np.intp))
