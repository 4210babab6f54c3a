"""The films of a run: indexed, checked for leaks, split, and written down before anything is trained."""

from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from bundle.files import write_whole
from schemas.errors import TrainingDataError
from schemas.preprocess import PreprocessSpec
from schemas.record import Record, Sha256
from trainer.config import RunConfig
from trainer.films.cache import prepared_films
from trainer.films.duplicates import mark_copies
from trainer.films.film import SPLITS, Film, FilmIndex
from trainer.films.leaks import close_leaks
from trainer.films.sources import index_films
from trainer.films.splits import Split, grouped_folds, grouped_split, read_split
from trainer.films.subsample import sample_split
from trainer.learning.loader import LabelledFilms

DATA = "data.json"
SPLIT = "split.csv"


class DataRecord(Record):
    """What data.json says about the films of a run."""

    data: str
    classes: tuple[str, ...] = Field(min_length=2, description="K classes in the order of the logits")
    negative_class: str | None
    data_sha256: Sha256
    split_sha256: Sha256
    counts: dict[str, dict[str, int]] = Field(description="split: class: films")
    patients: dict[str, int] = Field(description="split: patients")
    notes: tuple[str, ...]
    root: str | None = Field(default=None, description="folder that the paths of split.csv are relative to; null: data")
    dropped: tuple[str, ...] = Field(default=(), description="films that are not used, each with the reason")


def split_data(config: RunConfig, run: Path) -> DataRecord:
    """Index the films, stop at a leak, split by patient, and write split.csv and data.json.

    Raises:
        TrainingDataError: films that cannot be trained on, or not those that the run was started with, or no space.
    """
    index = close_leaks(_index(config), config.on_duplicates)
    split = grouped_split(
        index, val_fraction=config.val_fraction, test_fraction=config.test_fraction, seed=config.split_seed
    )
    notes = index.notes
    if config.films is not None:
        notes = (*notes, f"a sample of {config.films} of {len(split.films)} films, whole patients first")
        split = sample_split(split, config.films, config.split_seed)
    found = Counter((film.split, film.label) for film in split.films)
    record = DataRecord(
        data=config.data,
        classes=index.classes,
        negative_class=index.negative_class,
        data_sha256=index.data_sha256,
        split_sha256=split.sha256,
        counts={name: {label: found[name, label] for label in index.classes} for name in SPLITS},
        patients={name: len({film.patient for film in split.of(name)}) for name in SPLITS},
        notes=notes,
        root=str(index.root),
        dropped=index.dropped,
    )
    if (run / DATA).exists():
        before = read_data(run)
        if (before.data_sha256, before.split_sha256) != (record.data_sha256, record.split_sha256):
            msg = f"the films of {config.data} are not those that {run} was started with; give another --out"
            raise TrainingDataError(msg)
        return before
    try:
        split.write(run / SPLIT)
        write_whole(run / DATA, record.model_dump_json(indent=2).encode())
    except OSError as error:
        msg = f"{run} cannot hold the record of the films ({error.strerror}); free some space or give another --out"
        raise TrainingDataError(msg) from error
    return record


def _index(config: RunConfig) -> FilmIndex:
    cache = Path(config.cache)
    index = index_films(
        Path(config.data),
        cache=cache,
        classes=config.classes,
        masks=config.masks,
        label_names=config.label_names,
        skip_unreadable=config.skip_unreadable,
    )
    return mark_copies(index, cache, threshold=config.near_duplicates, skip_unreadable=config.skip_unreadable)


def read_data(run: Path) -> DataRecord:
    """The record of a run's films.

    Raises:
        TrainingDataError: there is none, or it is not of this version.
    """
    try:
        return DataRecord.model_validate_json((run / DATA).read_bytes())
    except (OSError, ValidationError) as error:
        msg = f"{run / DATA} is missing or of another version; start the run again"
        raise TrainingDataError(msg) from error


def films_of(config: RunConfig, run: Path, name: Literal["train", "val"], fold: int | None = None) -> tuple[Film, ...]:
    """The films that a trial trains on or validates with; the test films are had from `trainer.testset` alone.

    Args:
        config: of the run.
        run: its folder.
        name: which of both.
        fold: of cross-validation, from 0; None: the split's own.
    """
    split = split_of(config, run)
    if fold is None or config.folds is None:
        return split.of(name)
    folds = grouped_folds((*split.of("train"), *split.of("val")), config.folds, config.split_seed)
    return folds[fold].train if name == "train" else folds[fold].val


def root_of(run: Path) -> Path:
    """The folder that the paths of a run's films are relative to."""
    data = read_data(run)
    return Path(data.root or data.data)


def split_of(config: RunConfig, run: Path) -> Split:
    """The split of a run, as split.csv has it; where its films lie is known to data.json."""
    return read_split(run / SPLIT, Path(read_data(run).root or config.data))


def labelled(
    films: tuple[Film, ...],
    classes: tuple[str, ...],
    spec: PreprocessSpec,
    cache: Path,
    *,
    negative_class: str | None = None,
) -> LabelledFilms:
    """Films decoded and prepared, with their labels as indices into `classes`."""
    labels = np.array([classes.index(film.label) for film in films], dtype=np.int64)
    negative = None if negative_class is None else classes.index(negative_class)
    return LabelledFilms(prepared_films(films, spec, cache), labels, len(classes), negative)


def described(name: str, films: tuple[Film, ...]) -> str:
    """A set of films in words, e.g. 'validation: 1,040 films of 560 patients'."""
    return f"{name}: {len(films):,} films of {len({film.patient for film in films}):,} patients"
