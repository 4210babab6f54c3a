"""What a trained network looks at, on films that it was not trained on and whose lungs or findings are marked."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from schemas.model.looking import Erasure, ErasureMetrics, Looking, RegionHeat
from trainer.looking.answers import Answers, Films, Flags, Reader
from trainer.looking.erasures import ERASURES, cage_of, erased
from trainer.looking.heat import MarkedMaps, region_heat
from trainer.looking.marks import Marks
from trainer.statistics.delong import delong_interval
from trainer.statistics.intervals import wilson_interval


def look(reader: Reader, films: Films, positive: Flags, marks: Marks) -> Looking:
    """Measure whoever answers and explains films.

    The maps against the lungs and the cage are those of right calls: films with the finding that are called so. The
    maps against boxes are those of all films with a box.

    Args:
        reader: a network, or a service.
        films: float32 [V, 1, S, S] in [0, 1], may be memory-mapped.
        positive: by finding: [V], the films that have it.
        marks: of these films.
    """
    erasures: list[ErasureMetrics] = []
    heat: list[RegionHeat | None] = []
    if len(marks.masked):
        masked = films[marks.masked]
        ill = {finding: own[marks.masked] for finding, own in positive.items()}
        plain = reader.answers(masked)
        erasures += _erasures(reader, masked, plain, ill, marks)
        heat += _lung_heat(
            reader, masked, {finding: own & plain.called[finding] for finding, own in ill.items()}, marks
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


def _erasures(reader: Reader, films: Films, plain: Answers, positive: Flags, marks: Marks) -> Iterator[ErasureMetrics]:
    patients = marks.patients_of(marks.masked)
    for erasure in ERASURES:
        unchanged = erasure == "as it is"
        answers = plain if unchanged else reader.answers(erased(erasure, films, marks.lungs, patients))
        for finding, ill in positive.items():
            yield _metrics(erasure, finding, answers, ill, patients)


def _metrics(
    erasure: Erasure, finding: str, answers: Answers, ill: NDArray[np.bool_], patients: list[str]
) -> ErasureMetrics:
    both = 0 < ill.sum() < len(ill)
    return ErasureMetrics(
        erasure=erasure,
        finding=finding,
        films=len(ill),
        positives=int(ill.sum()),
        auroc=delong_interval(ill, answers.probabilities[finding], patients=patients) if both else None,
        answered=wilson_interval(int(answers.answered[finding].sum()), len(ill)),
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
