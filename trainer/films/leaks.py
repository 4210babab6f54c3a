"""The gate that every run passes: no patient and no copy of a film in two of the splits that the source gives."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import SPLITS, Film, FilmIndex, check_classes
from trainer.films.options import OnDuplicates


@dataclass(frozen=True, slots=True)
class Leak:
    """Films of different splits that are not independent of one another."""

    kind: str
    """`patient`: the same patient; `copy`: the same bytes; `near copy`: the same picture in another encoding."""
    films: tuple[Film, ...]

    def __str__(self) -> str:
        """The kind, and the first film of each split."""
        first = {film.split: film for film in reversed(self.films)}
        names = [f"{split}/{first[split].label}/{first[split].path.name}" for split in SPLITS if split in first]
        return f"{self.kind}: {' = '.join(names)}"


def find_leaks(films: Iterable[Film]) -> tuple[Leak, ...]:
    """Patients, exact copies and copies in another encoding that stand in more than one split, in a stable order."""
    shared: dict[tuple[str, str], list[Film]] = defaultdict(list)
    for film in films:
        shared["copy", film.sha256].append(film)
        shared["near copy", film.content].append(film)
        shared["patient", film.numbered_patient].append(film)
    return tuple(
        Leak(kind, tuple(group))
        for (kind, _), group in sorted(shared.items(), key=lambda entry: entry[0])
        if len({film.split for film in group}) > 1 and (kind != "near copy" or len({film.sha256 for film in group}) > 1)
    )


def close_leaks(index: FilmIndex, on_duplicates: OnDuplicates = "stop") -> FilmIndex:
    """The gate that every run passes: what leaks between the splits that the source gives stops it, or is dropped.

    Args:
        index: the films as the source gives them, with their `copy_of` (see `trainer.films.duplicates.mark_copies`).
        on_duplicates: "drop" removes copies of a film, exact or in another encoding: from train where val or test
            has it, from val where test has it; and exact repeats within train. Test films are never removed.

    Raises:
        TrainingDataError: a patient in two splits; a film under two labels; with "stop" also a
            copy in two splits; with "drop" a class that has no film left in a split.
    """
    _refuse_contradictions(index.films)
    checked = _without_copies(index) if on_duplicates == "drop" else index
    leaks = find_leaks(checked.films)
    if leaks:
        msg = (
            f"{len(leaks)} leaks between the splits: a figure on these films would flatter. Move each patient into one "
            "split and remove copies from the other; training can drop copies by --on-duplicates drop:"
            + listing([str(leak) for leak in leaks])
        )
        raise TrainingDataError(msg)
    return checked


def _without_copies(index: FilmIndex) -> FilmIndex:
    """Remove the copies that training must not see; each is recorded with the film that stays for it."""
    stays: dict[str, Film] = {}
    gone: dict[Path, Film] = {}
    for split in ("test", "val", "train", None):
        here: dict[str, Film] = {}
        for film in index.films:
            if film.split != split:
                continue
            repeat = here.get(film.sha256) if split in ("train", None) else None
            if other := stays.get(film.content) or repeat:
                gone[film.path] = other
            else:
                here.setdefault(film.sha256, film)
        for film in here.values():
            stays.setdefault(film.content, film)
    films = tuple(film for film in index.films if film.path not in gone)
    check_classes(films, index.classes, index.counts)
    exact = sum(film.sha256 == gone[film.path].sha256 for film in index.films if film.path in gone)
    note = f"dropped {exact} exact copies and {len(gone) - exact} in another encoding from train and val"
    lines = (
        f"{path.relative_to(index.root).as_posix()}: copy of {other.path.relative_to(index.root).as_posix()}"
        for path, other in gone.items()
    )
    return replace(index, films=films, notes=(*index.notes, note), dropped=(*index.dropped, *lines))


def _refuse_contradictions(films: Sequence[Film]) -> None:
    labels: dict[str, Film] = {}
    clashes = [
        f"{first.label}/{first.path.name} = {film.label}/{film.path.name}"
        for film in films
        if (first := labels.setdefault(film.sha256, film)).label != film.label
    ]
    if clashes:
        msg = f"{len(clashes)} films lie under two labels; decide which is right:" + listing(clashes)
        raise TrainingDataError(msg)
