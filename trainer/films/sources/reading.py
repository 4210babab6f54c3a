"""The files that a source names, read once: hashed, known as films by their content, and attributed to patients."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imaging.decode import sniff
from trainer.films.files import read_files, read_or_skip
from trainer.films.film import KERMANY, MIN_VAL_FILMS, Film, FilmIndex, check_classes
from trainer.films.sources.dicom import patient_of
from trainer.films.sources.source import FoundFilm, Source
from trainer.reporter import Progress


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file, as far as training uses it."""

    sha256: str
    patient_id: str | None
    attributes: Mapping[str, str]


def read_source(source: Source, *, skip_unreadable: bool, progress: Progress | None = None) -> FilmIndex:
    """Index the films of a source.

    Films are JPEG, PNG or DICOM by content, whatever their extension. A validation set of fewer than
    `MIN_VAL_FILMS` becomes part of train.

    A patient whom the source or a DICOM file names is called after the first of their films: neither a PatientID
    nor a hash of one, which could be found by trying all numbers, leaves this function. Without such a name the patient
    is read from Kermany's file names; any other film stands for itself.

    Raises:
        TrainingDataError: files that are not films, without `skip_unreadable`; a class without a film in a split.
    """

    def contents(films: Sequence[FoundFilm]) -> list[Content]:
        return list(read_files([film.path for film in films], read_content, root=source.root, progress=progress))

    readable, content, unreadable = read_or_skip(source.films, contents, root=source.root, skip=skip_unreadable)
    films = _films(readable, content, source.root)
    notes = [*source.notes]
    if unreadable:
        notes.append(f"skipped {len(unreadable)} unreadable films")
    named = sum(each.patient_id is not None for each in content)
    if named:
        notes.append(f"{named} films name their patient by a DICOM PatientID, which is not kept")
    index = _without_small_val(
        FilmIndex(source.root, films, source.classes, tuple(notes), (*source.dropped, *unreadable))
    )
    check_classes(index.films, index.classes, index.counts)
    return index


def read_content(path: Path) -> Content:
    """Read a file once.

    Raises:
        CxrError: it is neither JPEG nor PNG nor DICOM.
    """
    data = path.read_bytes()
    patient_id, attributes = patient_of(data) if sniff(data) == "dicom" else (None, {})
    return Content(hashlib.sha256(data).hexdigest(), patient_id, attributes)


def _films(films: Sequence[FoundFilm], contents: Sequence[Content], root: Path) -> tuple[Film, ...]:
    first: dict[tuple[str, str], str] = {}

    def patient(film: FoundFilm, content: Content) -> str:
        name = film.path.relative_to(root).as_posix()
        if film.patient is not None:
            return first.setdefault(("source", film.patient), name)
        if content.patient_id is not None:
            return first.setdefault(("dicom", content.patient_id), name)
        match = KERMANY.match(film.path.name)
        return name if match is None else match["prefix"] + match["number"]

    return tuple(
        Film(
            film.path,
            film.label,
            patient(film, content),
            film.split,
            content.sha256,
            {**content.attributes, **film.attributes},
        )
        for film, content in zip(films, contents, strict=True)
    )


def _without_small_val(index: FilmIndex) -> FilmIndex:
    count = sum(film.split == "val" for film in index.films)
    if not 0 < count < MIN_VAL_FILMS:
        return index
    moved = tuple(replace(film, split="train") if film.split == "val" else film for film in index.films)
    note = f"the {count} films given for val became part of train: fewer than {MIN_VAL_FILMS} decide nothing"
    return replace(index, films=moved, notes=(*index.notes, note))
