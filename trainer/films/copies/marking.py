"""The index of films with its altered copies marked, as copies in another encoding are."""

from dataclasses import replace
from pathlib import Path

from trainer.films.copies.search import search
from trainer.films.duplicates import originals_of
from trainer.films.film import FilmIndex
from trainer.films.options import AlteredSearch
from trainer.reporter import Progress


def mark_altered(
    index: FilmIndex, cache: Path, wanted: AlteredSearch, *, progress: Progress | None = None
) -> FilmIndex:
    """Mark each altered copy with the first film of its picture, and state what cannot be found.

    Two films of one known patient are not marked: they are in one split as it is, and another exposure of the patient
    can be as like as a copy is (11 pairs of 1,100 films of adults, docs/results/altered-copies.md).

    Args:
        index: readable films, with their `copy_of` (see `trainer.films.duplicates.mark_copies`).
        cache: folder of what was found before.
        wanted: whether altered copies are looked for.
        progress: called for each film that is read, and again for each that is compared.

    Raises:
        TrainingDataError: films that cannot be decoded.
    """
    found = search(index.films, wanted, cache, progress)
    first: dict[str, int] = {}
    known = [(first.setdefault(film.content, number), number) for number, film in enumerate(index.films)]
    pairs = [pair for pair in found.pairs if not _of_one_patient(index, *pair)]
    originals = originals_of(index.films, (*known, *pairs))
    marked = tuple(
        film if film.sha256 == original.sha256 else replace(film, copy_of=original.sha256)
        for film, original in zip(index.films, originals, strict=True)
    )
    beyond = [pair for pair in pairs if index.films[pair[0]].content != index.films[pair[1]].content]
    notes = list(index.notes)
    if alike := len(found.pairs) - len(pairs):
        notes.append(f"{alike} pairs of films of one patient are as alike as altered copies; they count as films apart")
    if beyond:
        notes.append(f"{len(beyond)} pairs of films show one film, cut, moved, turned, mirrored or changed otherwise")
    if clashing := sum(index.films[one].label != index.films[other].label for one, other in beyond):
        notes.append(f"{clashing} of these pairs lie under two labels: look at copy_of in split.csv")
    return replace(index, films=marked, notes=tuple(notes), altered_copies=found.in_words)


def _of_one_patient(index: FilmIndex, one: int, other: int) -> bool:
    first = index.films[one]
    second = index.films[other]
    return first.patient == second.patient and first.patient_known and second.patient_known
