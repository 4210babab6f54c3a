"""What a trained network looks at, on films that it was not trained on and whose lungs or findings are marked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biostatistics.delong import delong_interval
from biostatistics.intervals import wilson_interval
from biostatistics.metrics import certain
from schemas.model.looking import Erasure, ErasureMetrics, Looking, RegionHeat
from trainer.films.regions.cage import cage_of
from trainer.films.task import Labels
from trainer.looking.answers import Answers, Films, Flags, Reader
from trainer.looking.erasures import ERASURES, erased
from trainer.looking.heat import MarkedMaps, region_heat
from trainer.looking.marks import Marks


@dataclass(frozen=True, slots=True)
class Truth:
    """Of one finding on N films."""

    positive: NDArray[np.bool_]
    """[N], the films that have it."""
    known: NDArray[np.bool_]
    """[N], the films of which that is known; no figure of an AUROC or a share counts the others."""

    def of(self, films: NDArray[np.intp]) -> "Truth":
        """The same of these films."""
        return Truth(self.positive[films], self.known[films])


def truth_of(labels: Labels, classes: Sequence[str], findings: Sequence[str]) -> dict[str, Truth]:
    """What is true of each finding, by its name.

    Args:
        labels: of N films, [N] or of findings [N, K].
        classes: K names.
        findings: some of them.
    """
    if labels.ndim > 1:
        columns = {finding: labels[:, classes.index(finding)] for finding in findings}
        return {finding: Truth(column == 1, certain(column)) for finding, column in columns.items()}
    every = np.ones(len(labels), np.bool_)
    return {finding: Truth(labels == classes.index(finding), every) for finding in findings}


def look(reader: Reader, films: Films, truth: Mapping[str, Truth], marks: Marks) -> Looking:
    """Measure whoever answers and explains films.

    The maps against the lungs and the cage are those of right calls: films with the finding that are called so. The
    maps against boxes are those of all films with a box.

    Args:
        reader: a network, or a service.
        films: float32 [V, 1, S, S] in [0, 1], may be memory-mapped.
        truth: by finding, of these films.
        marks: of these films.
    """
    erasures: list[ErasureMetrics] = []
    heat: list[RegionHeat | None] = []
    if len(marks.masked):
        masked = films[marks.masked]
        own = {finding: each.of(marks.masked) for finding, each in truth.items()}
        plain = reader.answers(masked)
        erasures += erasure_metrics(reader.answers, masked, own, marks, plain)
        heat += _lung_heat(
            reader, masked, {finding: each.positive & plain.called[finding] for finding, each in own.items()}, marks
        )
    for finding, boxed in marks.boxes.items():
        maps = reader.maps(films[boxed.films], finding)
        heat.append(region_heat(MarkedMaps("boxes", finding, maps, boxed.regions, marks.patients_of(boxed.films))))
    return Looking(
        data=marks.data,
        films=marks.films,
        lung_masks=len(marks.masked),
        boxes=marks.boxed,
        erasures=tuple(erasures),
        heat=tuple(row for row in heat if row is not None),
    )


def erasure_metrics(
    ask: Callable[[Films], Answers], films: Films, truth: Mapping[str, Truth], marks: Marks, plain: Answers
) -> Iterator[ErasureMetrics]:
    """The figures of each finding that is known on any film, on films as they are and under each erasure.

    Args:
        ask: a network, or a service.
        films: float32 [M, 1, S, S] in [0, 1], those with a mask of the lungs.
        truth: by finding, of the M films.
        marks: of the set that the films are of.
        plain: what is answered to the M films as they are.
    """
    patients = np.array(marks.patients_of(marks.masked))
    for erasure in ERASURES:
        unchanged = erasure == "as it is"
        answers = plain if unchanged else ask(erased(erasure, films, marks.lungs, patients.tolist()))
        for finding, own in truth.items():
            if own.known.any():
                yield _metrics(erasure, finding, answers, own, patients)


def _metrics(
    erasure: Erasure, finding: str, answers: Answers, truth: Truth, patients: NDArray[np.str_]
) -> ErasureMetrics:
    ill = truth.positive[truth.known]
    probability = answers.probabilities[finding][truth.known]
    both = 0 < ill.sum() < len(ill)
    return ErasureMetrics(
        erasure=erasure,
        finding=finding,
        films=len(ill),
        positives=int(ill.sum()),
        auroc=delong_interval(ill, probability, patients=patients[truth.known]) if both else None,
        answered=wilson_interval(int(answers.answered[finding][truth.known].sum()), len(ill)),
    )


def _lung_heat(reader: Reader, films: Films, right: Flags, marks: Marks) -> Iterator[RegionHeat | None]:
    patients = np.array(marks.patients_of(marks.masked))
    for finding, chosen in right.items():
        if not chosen.any():
            continue
        maps = reader.maps(films[chosen], finding)
        lungs = marks.lungs[chosen]
        yield region_heat(MarkedMaps("lungs", finding, maps, lungs, patients[chosen].tolist()))
        cages = np.stack([cage_of(own) for own in lungs])
        yield region_heat(MarkedMaps("cage", finding, maps, cages, patients[chosen].tolist()))
