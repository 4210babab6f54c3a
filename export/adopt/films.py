"""The labelled films of an adoption: which decide, which judge, and that none does both."""

from dataclasses import dataclass, replace
from pathlib import Path

from schemas.errors import TrainingDataError
from trainer.films.copies.marking import mark_altered
from trainer.films.duplicates import mark_copies
from trainer.films.film import Film, FilmIndex
from trainer.films.leaks import close_leaks
from trainer.films.options import NEAR_DUPLICATE, DataOptions
from trainer.films.sources.find import index_films


@dataclass(frozen=True, slots=True)
class FilmFolder:
    """Labelled films, in any layout that the trainer reads.

    Those of a folder `val`, or all where there is none, decide; those of a folder `test` judge; those of a folder
    `train` are left alone.
    """

    path: Path
    cache: Path
    """Where prepared films are kept."""
    patients: str | None = None
    """Who the patient is, see `DataOptions.patients`; None: by the layout, the columns and the names."""


@dataclass(frozen=True, slots=True)
class AdoptionFilms:
    """Films that decide and films that judge, with no patient and no copy of a film in both."""

    index: FilmIndex
    deciding: tuple[Film, ...]
    judging: tuple[Film, ...]
    cache: Path


def read_films(folder: FilmFolder, classes: tuple[str, ...]) -> AdoptionFilms:
    """Index the films of an adoption, and apply the gate of training.

    Raises:
        TrainingDataError: the films are of other classes, none may decide, or a patient or a copy decides and judges.
    """
    index = index_films(DataOptions(path=str(folder.path), cache=str(folder.cache), patients=folder.patients))
    if set(index.classes) != set(classes):
        msg = (
            f"the films are of {', '.join(index.classes)} and the network of {', '.join(classes)}; name the folders as "
            "--classes does, in any order"
        )
        raise TrainingDataError(msg)
    deciding = _deciding(index, index.root)
    judging = tuple(film for film in index.films if film.split == "test")
    chosen = replace(index, films=(*deciding, *judging))
    encoded_again = mark_copies(chosen, folder.cache, threshold=NEAR_DUPLICATE, skip_unreadable=False)
    close_leaks(mark_altered(encoded_again, folder.cache, "auto"))
    return AdoptionFilms(index, deciding, judging, folder.cache)


def _deciding(index: FilmIndex, source: Path) -> tuple[Film, ...]:
    for split in ("val", None):
        if films := tuple(film for film in index.films if film.split == split):
            return films
    msg = (
        f"{source.name} has no validation films: calibration needs at least 50 labelled films that the network was not "
        "trained on; give a folder val/<class>/, or one of such films alone, <class>/"
    )
    raise TrainingDataError(msg)
