"""The failure gallery of a bundle: which validation films the exported graph gets wrong, and what they have in common."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.gates.answers import Answers, ValidationSet, answers
from export.gates.parity import run_in_batches
from export.session import Outputs, Run
from imaging.quality import InputStatistics, input_statistics
from schemas.evaluation import SubgroupMetrics
from schemas.mistakes import FilmReference, KindOfMistake, Mistake, Mistakes
from schemas.trial import CalibratedNetwork
from trainer.heat_maps.attention import border_shares, with_heat
from trainer.judging.subgroups import ScoredFilms, finding_rows
from trainer.statistics.intervals import wilson_interval

WORST = 5
"""Films told of each kind."""

APPEARANCE: dict[str, Callable[[InputStatistics], float]] = {
    "mean gray level": lambda film: film.mean,
    "contrast": lambda film: film.contrast,
    "gray level of the border": lambda film: film.border,
}
THIRDS = ("lowest third", "middle third", "highest third")


def find_mistakes(
    run: Run,
    outputs: Outputs,
    validation: ValidationSet,
    references: Sequence[FilmReference],
    record: CalibratedNetwork,
) -> Mistakes:
    """Look for what the graph does wrong on the validation films at its operating points.

    Args:
        run: the exported graph.
        outputs: of the graph, for the films.
        validation: the films with their truth.
        references: how each film is named, V.
        record: classes, calibration, and the validation films in words.
    """
    said = answers(outputs, validation, record)
    kinds = tuple(
        KindOfMistake(
            kind=kind.name,
            meaning=kind.meaning,
            films=int(kind.wrong.sum()),
            of=int(kind.could.sum()),
            share=wilson_interval(int(kind.wrong.sum()), int(kind.could.sum())) if kind.could.any() else None,
            worst=_described(kind.worst, run, said, validation, references, record),
        )
        for kind in _kinds(said, validation.labels, record)
    )
    return Mistakes(data=record.calibration.data, kinds=kinds, by_appearance=_by_appearance(said, validation, record))


@dataclass(frozen=True, slots=True)
class _Kind:
    """One way to go wrong, among V films."""

    name: str
    meaning: str
    wrong: NDArray[np.bool_]  # [V], films that went wrong so
    could: NDArray[np.bool_]  # [V], films that could have
    ranks: NDArray[np.float64]  # [V], the worst have the lowest

    @property
    def worst(self) -> NDArray[np.int64]:
        """The films to tell of."""
        wrong = np.flatnonzero(self.wrong)
        return wrong[np.argsort(self.ranks[wrong], kind="stable")][:WORST]


def _kinds(said: Answers, truth: NDArray[np.int64], record: CalibratedNetwork) -> Iterator[_Kind]:
    negative = None if record.negative_class is None else record.classes.index(record.negative_class)
    found = truth != negative
    called = said.labels != negative
    wrong = said.labels != truth
    given = np.array(said.given)
    every = np.ones(len(truth), np.bool_)
    sureness = said.probabilities[np.arange(len(truth)), truth]
    if negative is not None:
        yield _Kind("missed", f"a finding, labelled {record.negative_class}", wrong & ~called, found, sureness)
        yield _Kind("false alarm", f"{record.negative_class}, labelled a finding", wrong & ~found, ~found, sureness)
    if len(record.classes) - (negative is not None) > 1:
        yield _Kind("confused", "a finding, labelled another one", wrong & found & called, found, sureness)
    if said.unfamiliarity is not None:
        meaning = "not answered: too far from the training films"
        yield _Kind("unfamiliar", meaning, given == "unfamiliar", every, -said.unfamiliarity)
    meaning = "not answered: the conformal set is not the label alone"
    yield _Kind("unclear", meaning, given == "unclear", every, sureness)


def _described(  # noqa: PLR0913, PLR0917 - what is known of a film
    order: NDArray[np.int64],
    run: Run,
    said: Answers,
    validation: ValidationSet,
    references: Sequence[FilmReference],
    record: CalibratedNetwork,
) -> tuple[Mistake, ...]:
    if not len(order):
        return ()
    shares = _border_shares(run, validation.films[order], said.labels[order])
    return tuple(
        Mistake(
            film=references[index],
            truth=record.classes[validation.labels[index]],
            truth_probability=float(said.probabilities[index, validation.labels[index]]),
            label=record.classes[said.labels[index]],
            label_probability=float(said.probabilities[index, said.labels[index]]),
            answer=said.given[index],
            out_of_distribution_score=None if said.unfamiliarity is None else float(said.unfamiliarity[index]),
            border_share=share,
        )
        for index, share in zip(order.tolist(), shares, strict=True)
    )


def _border_shares(run: Run, films: NDArray[np.float32], labels: NDArray[np.int64]) -> list[float | None]:
    """Share of the heat for the label on the border, for each film; None where there is no heat."""
    maps = run_in_batches(run, films, labels, len(films)).get("gradcam")
    if maps is None:
        return [None] * len(films)
    scaled = [with_heat(each[np.newaxis]) for each in maps]
    return [float(np.clip(border_shares(each)[0], 0, 1)) if len(each) else None for each in scaled]


def _by_appearance(said: Answers, validation: ValidationSet, record: CalibratedNetwork) -> tuple[SubgroupMetrics, ...]:
    statistics = [input_statistics(film) for film in validation.films]
    scored = ScoredFilms(record.classes, validation.labels, said.probabilities, validation.patients)
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
