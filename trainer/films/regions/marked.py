"""What is marked on the films that train: their lungs, and the boxes of their findings."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.files import sha256_of
from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from trainer.films.film import Film
from trainer.films.options import DataOptions
from trainer.films.regions.boxes import Box, boxes_mask, read_boxes
from trainer.films.regions.masks import Mask, find_masks, read_mask


@dataclass(frozen=True, slots=True)
class MarkedFilms:
    """Marks of some of the films that train, by the films' indices."""

    lungs: Mapping[int, Mask]
    evidence: Mapping[int, tuple[Mask, NDArray[np.float32]]]
    """Where the heat of a film belongs, and of which classes it is the heat [K], 1 or 0. Of a film with boxes these are
    the boxes; of another one its lungs, and the findings that it has."""
    described: str
    """How many there are, and their digest."""


def read_marked(
    films: Sequence[Film],
    present: NDArray[Any],
    classes: Sequence[str],
    spec: PreprocessSpec,
    options: DataOptions,
) -> MarkedFilms:
    """Read masks and boxes of the films that train.

    Args:
        films: V films.
        present: bool [V, K], the findings of each film; never the negative class.
        classes: K names.
        spec: how films are prepared.
        options: where masks and boxes lie; masks beside the films count without it.

    Raises:
        TrainingDataError: a mask or a table cannot be read, or no film has a mark.
    """
    masks = find_masks(films, options.lung_masks)
    table = {} if options.boxes is None else read_boxes(Path(options.boxes))
    if not masks and not any(film.path.name in table for film in films):
        msg = (
            f"no film that trains has a mask in data.lung_masks={options.lung_masks} or a box in "
            f"data.boxes={options.boxes}; a mask has the name of its film with any ending, and the table's column "
            "`path` or `image` ends in it: correct the names, or leave out what learns from marks"
        )
        raise TrainingDataError(msg)
    lungs = {index: read_mask(mask, films[index], spec) for index, mask in masks.items()}
    evidence = {index: (lungs[index], present[index].astype(np.float32)) for index in lungs if present[index].any()}
    for index, film in enumerate(films):
        own = [box for box in table.get(film.path.name, ()) if _is_of(box, present[index], classes)]
        if own:
            named = np.array([any(_names(box, name) for box in own) for name in classes])
            evidence[index] = (boxes_mask(own, film, spec), (named & present[index]).astype(np.float32))
    digest = hashlib.sha256("".join(sha256_of(path) for path in sorted(masks.values())).encode()).hexdigest()
    described = f"{len(masks)} lung masks, {sum(film.path.name in table for film in films)} films with boxes, {digest}"
    return MarkedFilms(lungs, evidence, described)


def _is_of(box: Box, present: NDArray[np.bool_], classes: Sequence[str]) -> bool:
    """Whether a box is one of a finding that the film has."""
    return any(_names(box, name) and has for name, has in zip(classes, present.tolist(), strict=True))


def _names(box: Box, finding: str) -> bool:
    """Whether a box is one of the finding; one without a name is of every finding that its film has."""
    return box.finding.casefold() in ("", finding.casefold())
