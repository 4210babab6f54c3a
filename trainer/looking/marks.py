"""Which films of a set have marked lungs or findings, and where: what the measures need besides pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.films.film import Film, described
from trainer.films.regions.boxes import Box, boxes_mask, read_boxes
from trainer.films.regions.masks import find_masks, read_mask
from trainer.judging.options import JudgeOptions

MOST_FILMS = 500
"""Films with masks, and with boxes, that are looked at: each is passed through the network six times."""


@dataclass(frozen=True, slots=True)
class Boxed:
    """Films with boxes of one finding."""

    films: NDArray[np.intp]  # [B], indices of the films
    regions: NDArray[np.bool_]  # [B, S, S]


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked of V films."""

    data: str
    """The marked films in words."""
    patients: Sequence[str]  # [V]
    masked: NDArray[np.intp]  # [M], indices of the films with a mask of the lungs
    lungs: NDArray[np.bool_]  # [M, S, S]
    boxes: Mapping[str, Boxed]
    """By finding."""

    @property
    def boxed(self) -> int:
        """Films with boxes."""
        return len({film for boxed in self.boxes.values() for film in boxed.films.tolist()})

    @property
    def films(self) -> int:
        """Films with masks or boxes."""
        boxed = {film for boxed in self.boxes.values() for film in boxed.films.tolist()}
        return len(boxed | set(self.masked.tolist()))

    def patients_of(self, films: NDArray[np.intp]) -> list[str]:
        """Who each of these films is of."""
        return [self.patients[film] for film in films.tolist()]


def read_marks(
    data: str,
    films: Sequence[Film],
    findings: Sequence[str],
    spec: PreprocessSpec,
    options: JudgeOptions,
) -> Marks | None:
    """The masks and boxes of films; None where none has any. Of many, 500 are taken evenly in the order of the films.

    Args:
        data: name of the set.
        films: V films.
        findings: whose boxes count; one without a name counts where there is one finding alone.
        spec: how the films are prepared.
        options: where masks and boxes lie; masks beside the films count without it.

    Raises:
        TrainingDataError: see `find_masks`, `read_mask` and `read_boxes`.
    """
    masks = find_masks(films, options.lung_masks)
    masked = _spaced(sorted(masks))
    found = _boxes_of(films, findings, {} if options.boxes is None else read_boxes(Path(options.boxes)))
    boxed = {finding: _boxed(own, films, spec) for finding, own in found.items()}
    marked = sorted({*masked, *(film for one in boxed.values() for film in one.films.tolist())})
    if not marked:
        return None
    lungs = [read_mask(masks[film], films[film], spec) for film in masked]
    return Marks(
        data=described(data, [films[film] for film in marked]),
        patients=[film.patient for film in films],
        masked=np.array(masked, np.intp),
        lungs=np.array(lungs, bool).reshape(len(masked), spec.size, spec.size),
        boxes=boxed,
    )


def _boxed(boxes: Mapping[int, Sequence[Box]], films: Sequence[Film], spec: PreprocessSpec) -> Boxed:
    chosen = _spaced(sorted(boxes))
    regions = [boxes_mask(boxes[film], films[film], spec) for film in chosen]
    return Boxed(np.array(chosen, np.intp), np.stack(regions))


def require_marks(films: Sequence[Film], options: JudgeOptions) -> None:
    """Stop before a training whose masks or boxes, which the user names, belong to no film.

    Raises:
        TrainingDataError: they belong to none of `films`, or cannot be read.
    """
    if options.lung_masks is not None and not find_masks(films, options.lung_masks):
        msg = (
            f"no validation film has a mask in judge.lung_masks={options.lung_masks}; a mask has the name of its film "
            "with any ending: rename the masks, or leave the option out"
        )
        raise TrainingDataError(msg)
    if options.boxes is not None and not {film.path.name for film in films} & set(read_boxes(Path(options.boxes))):
        msg = (
            f"no validation film has a box in judge.boxes={options.boxes}; its column `path` or `image` ends in the "
            "name of the film's file: correct it, or leave the option out"
        )
        raise TrainingDataError(msg)


def _boxes_of(
    films: Sequence[Film], findings: Sequence[str], boxes: Mapping[str, tuple[Box, ...]]
) -> dict[str, dict[int, list[Box]]]:
    """By finding and film."""
    names = {finding.casefold(): finding for finding in findings}
    alone = findings[0] if len(findings) == 1 else None
    found: dict[str, dict[int, list[Box]]] = {}
    for index, film in enumerate(films):
        for box in boxes.get(film.path.name, ()):
            finding = names.get(box.finding.casefold()) if box.finding else alone
            if finding is not None:
                found.setdefault(finding, {}).setdefault(index, []).append(box)
    return found


def _spaced(films: Sequence[int]) -> list[int]:
    """At most 500 of them, the first and the last among them."""
    count = min(len(films), MOST_FILMS)
    return [films[place] for place in np.linspace(0, len(films) - 1, count).round().astype(int).tolist()]
