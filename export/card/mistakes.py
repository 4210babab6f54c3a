"""The failure gallery of a bundle: the validation films that the exported graph gets wrong, and what they share."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biostatistics.intervals import wilson_interval
from bundle.session import GraphOutputs, Run, run_in_batches
from export.card.finding_mistakes import FindingKind, finding_kinds, truth_probability
from export.gates.answers import Answers, ValidationSet, answers
from imaging.quality import InputStatistics, input_statistics
from schemas.model.evaluation import SubgroupMetrics
from schemas.model.mistakes import FilmReference, KindOfMistake, Mistake, Mistakes
from schemas.model.trial import CalibratedNetwork
from trainer.films.task import Labels
from trainer.heat_maps.attention import border_shares, with_heat
from trainer.judging.subgroups import ScoredFilms, finding_rows

WORST = 5
"""The most films described of each kind."""

APPEARANCE: dict[str, Callable[[InputStatistics], float]] = {
    "mean gray level": lambda film: film.mean,
    "contrast": lambda film: film.contrast,
    "gray level of the border": lambda film: film.border,
}
THIRDS = ("lowest third", "middle third", "highest third")


def find_mistakes(
    run: Run,
    outputs: GraphOutputs,
    validation: ValidationSet,
    references: Sequence[FilmReference],
    record: CalibratedNetwork,
) -> Mistakes:
    """Find what the graph does wrong on the validation films at its operating points.

    Args:
        run: the exported graph.
        outputs: of the graph, for the films.
        validation: the films with their truth.
        references: how each film is named, V.
        record: classes, calibration, and the validation films in words.
    """
    judged = _JudgedFilms(run, answers(outputs, validation, record), validation, references, record)
    kinds = tuple(_findings(judged) if record.activation == "sigmoid" else _classes(judged))
    by_appearance = _by_appearance(judged.answers, validation, record)
    return Mistakes(data=record.calibration.data, kinds=kinds, by_appearance=by_appearance)


@dataclass(frozen=True, slots=True)
class _JudgedFilms:
    """V films with everything that is known of them."""

    run: Run
    answers: Answers
    validation: ValidationSet
    references: Sequence[FilmReference]
    record: CalibratedNetwork


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of mistake, among V films."""

    name: str
    meaning: str
    wrong: NDArray[np.bool_]  # [V], films with this mistake
    eligible: NDArray[np.bool_]  # [V], films that could have it
    ranks: NDArray[np.float64]  # [V], the worst have the lowest

    @property
    def worst(self) -> NDArray[np.int64]:
        """Indices of the films to describe."""
        wrong = np.flatnonzero(self.wrong)
        return wrong[np.argsort(self.ranks[wrong], kind="stable")][:WORST]


def _classes(judged: _JudgedFilms) -> Iterator[KindOfMistake]:
    for kind in _kinds(judged.answers, judged.validation.labels, judged.record):
        yield _counted(kind, _described(kind.worst, judged))


def _findings(judged: _JudgedFilms) -> Iterator[KindOfMistake]:
    for kind in finding_kinds(judged.answers, judged.validation.labels, judged.record):
        yield _counted(kind, _described_findings(kind.worst(WORST), judged))


def _counted(kind: _Kind | FindingKind, worst: tuple[Mistake, ...]) -> KindOfMistake:
    wrong, eligible = (int(part.sum()) for part in (kind.wrong, kind.eligible))
    share = wilson_interval(wrong, eligible) if eligible else None
    return KindOfMistake(kind=kind.name, meaning=kind.meaning, films=wrong, of=eligible, share=share, worst=worst)


def _kinds(given: Answers, truth: Labels, record: CalibratedNetwork) -> Iterator[_Kind]:
    negative = None if record.negative_class is None else record.classes.index(record.negative_class)
    with_finding = truth != negative
    called = given.labels != negative
    wrong = given.labels != truth
    answer = np.array(given.given)
    every = np.ones(len(truth), np.bool_)
    truth_probability = given.probabilities[np.arange(len(truth)), truth]
    if negative is not None:
        meaning = f"a finding, labelled {record.negative_class}"
        yield _Kind("missed", meaning, wrong & ~called, with_finding, truth_probability)
        meaning = f"{record.negative_class}, labelled a finding"
        yield _Kind("false alarm", meaning, wrong & ~with_finding, ~with_finding, truth_probability)
    if len(record.classes) - (negative is not None) > 1:
        meaning = "a finding, labelled another one"
        yield _Kind("confused", meaning, wrong & with_finding & called, with_finding, truth_probability)
    if given.unfamiliarity is not None:
        meaning = "not answered: too far from the training films"
        yield _Kind("unfamiliar", meaning, answer == "unfamiliar", every, -given.unfamiliarity)
    meaning = "not answered: the conformal set is not the label alone"
    yield _Kind("unclear", meaning, answer == "unclear", every, truth_probability)


def _described(order: NDArray[np.int64], judged: _JudgedFilms) -> tuple[Mistake, ...]:
    if not len(order):
        return ()
    given = judged.answers
    labels = judged.validation.labels
    classes = judged.record.classes
    called = given.labels.astype(np.int64)
    shares = _border_shares(judged.run, judged.validation.films[order], called[order])
    return tuple(
        Mistake(
            film=judged.references[index],
            truth=classes[labels[index]],
            truth_probability=float(given.probabilities[index, labels[index]]),
            label=classes[given.labels[index]],
            label_probability=float(given.probabilities[index, given.labels[index]]),
            answer=given.given[index],
            out_of_distribution_score=None if given.unfamiliarity is None else float(given.unfamiliarity[index]),
            border_share=share,
        )
        for index, share in zip(order.tolist(), shares, strict=True)
    )


def _described_findings(pairs: Sequence[tuple[int, int]], judged: _JudgedFilms) -> tuple[Mistake, ...]:
    """Each with the truth about one finding and its call."""
    if not pairs:
        return ()
    given = judged.answers
    films, findings = (np.array(part, np.int64) for part in zip(*pairs, strict=True))
    shares = _border_shares(judged.run, judged.validation.films[films], findings)
    right = truth_probability(given, judged.validation.labels)
    of_calls = np.where(given.labels, given.probabilities, 1 - given.probabilities)

    def words(name: str, there: float) -> str:
        return {1.0: name, 0.0: f"no {name}"}.get(float(there), f"{name} not known")

    return tuple(
        Mistake(
            film=judged.references[film],
            truth=words(judged.record.classes[finding], judged.validation.labels[film, finding]),
            truth_probability=float(right[film, finding]),
            label=words(judged.record.classes[finding], given.labels[film, finding]),
            label_probability=float(of_calls[film, finding]),
            answer=given.given[film],
            out_of_distribution_score=None if given.unfamiliarity is None else float(given.unfamiliarity[film]),
            border_share=share,
        )
        for (film, finding), share in zip(pairs, shares, strict=True)
    )


def _border_shares(run: Run, films: NDArray[np.float32], labels: NDArray[np.int64]) -> list[float | None]:
    """Share of the heat for the label on the border, for each film; None where there is no heat."""
    maps = run_in_batches(run, films, labels, len(films)).get("gradcam")
    if maps is None:
        return [None] * len(films)
    scaled = [with_heat(each[np.newaxis]) for each in maps]
    return [float(np.clip(border_shares(each)[0], 0, 1)) if len(each) else None for each in scaled]


def _by_appearance(given: Answers, validation: ValidationSet, record: CalibratedNetwork) -> tuple[SubgroupMetrics, ...]:
    statistics = [input_statistics(film) for film in validation.films]
    known = not record.validation.unknown_patients
    patients = validation.patients
    scored = ScoredFilms(record.classes, validation.labels, given.probabilities, patients, patients_known=known)
    rows = []
    for name, measure in APPEARANCE.items():
        values = np.array([measure(film) for film in statistics])
        thirds = np.searchsorted(np.quantile(values, (1 / 3, 2 / 3), method="lower"), values)
        for third, word in enumerate(THIRDS):
            members = thirds == third
            if members.any():  # not so where most films have the same value, as of a border that is black
                films = scored.of(members)
                rows += finding_rows(name, word, films, record.calibration.operating_points)
    return tuple(rows)
