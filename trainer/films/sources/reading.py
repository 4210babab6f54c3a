"""The files that a source names, read once: hashed, known as films by their content, and attributed to patients."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imaging.decode import sniff
from trainer.films.files import read_files, read_or_skip
from trainer.films.film import MIN_VAL_FILMS, Film, FilmIndex, check_classes
from trainer.films.inspection.depth import depth_notes, is_deep_png
from trainer.films.sources.attribution import Attributed, attribute
from trainer.films.sources.dicom import StatedPatient, patient_of
from trainer.films.sources.source import FoundFilm, Source
from trainer.reporter import Progress


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file, as far as training uses it."""

    sha256: str
    is_deep_png: bool
    stated: StatedPatient
    attributes: Mapping[str, str]


def read_source(
    source: Source, *, skip_unreadable: bool, patients: str | None = None, progress: Progress | None = None
) -> FilmIndex:
    """Index the films of a source.

    Films are JPEG, PNG or DICOM by content, whatever their extension. A validation set of fewer than
    `MIN_VAL_FILMS` becomes part of train.

    A patient whom the source or a DICOM file names is called after the first of their films: neither a PatientID
    nor a hash of one, which could be found by trying all numbers, leaves this function. `patients` is a regular
    expression for paths, see `trainer.films.sources.attribution.attribute`.

    Raises:
        TrainingDataError: files that are not films, without `skip_unreadable`; a class without a film in a split.
    """

    def contents(films: Sequence[FoundFilm]) -> list[Content]:
        return list(read_files([film.path for film in films], read_content, root=source.root, progress=progress))

    readable, content, unreadable = read_or_skip(source.films, contents, root=source.root, skip=skip_unreadable)
    stated = [
        film.stated if one.stated == StatedPatient() else one.stated
        for film, one in zip(readable, content, strict=True)
    ]
    attributed, known_by = attribute(source, readable, stated, patients)
    films = tuple(map(_film, readable, content, attributed))
    notes = [*source.notes]
    if unreadable:
        notes.append(f"skipped {len(unreadable)} unreadable films")
    deep = [film.path for film, one in zip(readable, content, strict=True) if one.is_deep_png]
    notes += depth_notes(deep, source.root) if deep else ()
    index = _without_small_val(
        FilmIndex(source.root, films, source.classes, tuple(notes), (*source.dropped, *unreadable), known_by)
    )
    check_classes(index.films, index.classes, index.counts)
    return index


def read_content(path: Path) -> Content:
    """Read a file once.

    Raises:
        CxrError: it is neither JPEG nor PNG nor DICOM.
    """
    data = path.read_bytes()
    stated, attributes = patient_of(data) if sniff(data) == "dicom" else (StatedPatient(), {})
    return Content(hashlib.sha256(data).hexdigest(), is_deep_png(data), stated, attributes)


def _film(film: FoundFilm, content: Content, attributed: Attributed) -> Film:
    return Film(
        film.path,
        film.label,
        attributed.patient,
        film.split,
        content.sha256,
        {**content.attributes, **film.attributes},
        patient_known=attributed.known,
        marks=film.marks,
    )


def _without_small_val(index: FilmIndex) -> FilmIndex:
    count = sum(film.split == "val" for film in index.films)
    if not 0 < count < MIN_VAL_FILMS:
        return index
    moved = tuple(replace(film, split="train") if film.split == "val" else film for film in index.films)
    note = f"the {count} films given for val became part of train: fewer than {MIN_VAL_FILMS} decide nothing"
    return replace(index, films=moved, notes=(*index.notes, note))
