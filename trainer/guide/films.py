"""The films of a guide's table in memory, and the batches that it learns from."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imaging.decode import decode
from imaging.dicom.codecs import decode_frame
from schemas.preprocess import PreprocessSpec
from trainer.films.cache import prepared_films
from trainer.films.files import read_files
from trainer.guide.options import GuideOptions
from trainer.guide.table import GuideFilm, GuideTable
from trainer.guide.variations import MADE, Mask, made_up, vary
from trainer.networks.designs import FILM_SIDE
from trainer.networks.lungs.guide import LUNGS_SIDE

UNKNOWN: Final = -100
"""The label of a trait that nobody knows of a film; the loss leaves it out."""
SPEC: Final = PreprocessSpec(size=FILM_SIDE)
"""How films are prepared for a guide, and for a network behind it: twice its own side, for the network's sake."""

_MADE_UP_SHARE = 0.06
_MASKED_WEIGHT = 3.0  # of a film with a mask against one without, when films are drawn
_AHEAD = 4


class GuideBatch(NamedTuple):
    """What a guide learns from at once."""

    films: Tensor  # float32 [N, 1, S, S]
    masks: Tensor  # float32 [N, h, w], share of each cell that lies in a lung
    masked: Tensor  # bool [N], whether the mask is known
    traits: Tensor  # int64 [N, number of traits], `UNKNOWN` where it is not known


@dataclass(frozen=True, slots=True)
class GuideFilms:
    """The films of one split."""

    rows: tuple[GuideFilm, ...]
    films: NDArray[np.float32]  # [V, 1, S, S]
    masks: Mapping[int, Mask]  # by film, [S, S]
    traits: Mapping[str, tuple[str, ...]]
    """Values of every trait, of the table and made, in the order of the network's output."""
    made_up: tuple[str, str] | None
    """Trait and value of pictures that are no films."""

    def labels(self, values: Mapping[str, str]) -> NDArray[np.int64]:
        """Indices of known values, [number of traits]."""
        return np.array(
            [names.index(values[trait]) if trait in values else UNKNOWN for trait, names in self.traits.items()]
        )

    def weights(self) -> NDArray[np.float64]:
        """How often each film is drawn, [V], in sum 1: every group of traits by the root of its number of films."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, row in enumerate(self.rows):
            groups.setdefault(tuple(sorted(f"{k}={v}" for k, v in row.traits.items())), []).append(index)
        weights = np.zeros(len(self.rows))
        for members in groups.values():
            own = np.array([_MASKED_WEIGHT if index in self.masks else 1.0 for index in members])
            weights[members] = np.sqrt(len(members)) * own / own.sum()
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares


def read_films(table: GuideTable, split: str, options: GuideOptions) -> GuideFilms:
    """Decode and prepare the films and masks of a split.

    Raises:
        TrainingDataError: files that cannot be read.
    """
    rows = tuple(each for each in table.films if each.film.split == split)
    films = prepared_films([each.film for each in rows], SPEC, Path(options.cache))
    masked = {index: each.mask for index, each in enumerate(rows) if each.mask is not None}
    root = Path(options.table).parent
    masks = dict(zip(masked, read_files(list(masked.values()), _mask, root=root), strict=True))
    traits = {**table.traits, **(MADE if any(each.oriented for each in table.films) else {})}
    return GuideFilms(rows, films, masks, traits, options.made_up)


def batches(films: GuideFilms, options: GuideOptions, epoch: int) -> Iterator[GuideBatch]:
    """The batches of an epoch, varied in threads ahead of the caller; a function of the seed and the epoch alone."""
    random = np.random.default_rng((options.seed, epoch))
    drawn = random.choice(len(films.rows), options.films_per_epoch, p=films.weights())
    parts = [drawn[start : start + options.batch_size] for start in range(0, len(drawn), options.batch_size)]
    with ThreadPoolExecutor(options.workers, thread_name_prefix="vary") as pool:
        step = _AHEAD * options.workers
        for start in range(0, len(parts), step):
            numbers = range(start, min(start + step, len(parts)))
            yield from pool.map(lambda number: _batch(films, parts[number], (options.seed, epoch, number)), numbers)


def _batch(films: GuideFilms, indices: NDArray[np.int64], draw: Sequence[int]) -> GuideBatch:
    random = np.random.default_rng(tuple(draw))
    side = films.films.shape[-1]
    images = np.empty((len(indices), 1, side, side), np.float32)
    masks = np.zeros((len(indices), LUNGS_SIDE, LUNGS_SIDE), np.float32)
    masked = np.zeros(len(indices), bool)
    labels = np.empty((len(indices), len(films.traits)), np.int64)
    for row, index in enumerate(indices.tolist()):
        film = np.array(films.films[index, 0])
        if films.made_up is not None and random.random() < _MADE_UP_SHARE:
            images[row, 0] = made_up(film, random)
            labels[row] = films.labels(dict([films.made_up]))
            continue
        known = films.rows[index]
        varied = vary(film, films.masks.get(index), random, oriented=known.oriented)
        images[row, 0] = varied.film
        labels[row] = films.labels({**known.traits, **varied.made})
        if varied.mask is not None:
            masks[row] = lungs_cells(varied.mask)
            masked[row] = True
    return GuideBatch(*map(torch.from_numpy, (images, masks, masked, labels)))


def lungs_cells(mask: Mask) -> NDArray[np.float32]:
    """The share of each cell of the guide's map that lies in a lung, [h, w]."""
    small = cv2.resize(np.ascontiguousarray(mask), (LUNGS_SIDE, LUNGS_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _mask(path: Path) -> Mask:
    mask = decode(path.read_bytes(), frame_decoder=decode_frame)
    lungs = (mask.pixels > mask.largest_value // 2).astype(np.float32)
    return np.asarray(cv2.resize(lungs, (SPEC.size, SPEC.size), interpolation=cv2.INTER_LINEAR) > 0.5, np.float32)  # noqa: PLR2004
