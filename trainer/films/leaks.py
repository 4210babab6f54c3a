"""The gate that every run passes: no patient and no copy of a film in two of the splits that the source gives."""

from collections import defaultdict
from collections.abc import Iterable
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
    root: Path
    """The folder that the films are named relative to."""

    def __str__(self) -> str:
        """The kind, and the first film of each split."""
        first = {film.split: film for film in reversed(self.films)}
        names = [_named(first[split], self.root) for split in SPLITS if split in first]
        return f"{self.kind}: {' = '.join(names)}"


def find_leaks(films: Iterable[Film], root: Path = Path()) -> tuple[Leak, ...]:
    """Patients, exact copies and copies in another encoding that stand in more than one split, in a stable order.

    Args:
        films: with their splits.
        root: the folder that leaks name their films relative to.
    """
    shared: dict[tuple[str, str], list[Film]] = defaultdict(list)
    for film in films:
        shared["copy", film.sha256].append(film)
        shared["near copy", film.content].append(film)
        shared["patient", film.numbered_patient].append(film)
    return tuple(
        Leak(kind, tuple(group), root)
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
    if clashes := find_contradictions(index):
        msg = (
            f"{len(clashes)} films lie under two labels, themselves or as copies; decide which is right and remove the "
            "others, or, where pictures only look alike, train with --set data.near_duplicates=1 (another encoding) or "
            "--set data.altered_copies=never (another crop, turn or contrast):"
        )
        raise TrainingDataError(msg + listing(clashes))
    checked = _without_copies(index) if on_duplicates == "drop" else index
    leaks = find_leaks(checked.films, checked.root)
    if leaks:
        msg = (
            f"{len(leaks)} leaks between the splits: a figure on these films would flatter. Move each patient into one "
            "split and remove copies from the other; training can drop copies by --on-duplicates drop"
            f"{_how_known(checked, leaks)}:" + listing([str(leak) for leak in leaks])
        )
        raise TrainingDataError(msg)
    return checked


def _how_known(index: FilmIndex, leaks: Iterable[Leak]) -> str:
    """How the patients of leaks were known, which may be wrong, and how to say otherwise."""
    known = (*index.patients.patients, *index.patients.studies)
    if not known or not any(leak.kind == "patient" for leak in leaks):
        return ""
    return (
        f". Patients are known by {', '.join(known)}; where these are not patients, give --patients REGEX, and "
        "--patients '.*' for a patient to each film"
    )


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


def find_contradictions(index: FilmIndex) -> tuple[str, ...]:
    """Films that show the picture of another one, by their bytes or in another encoding, under another label."""
    first: dict[str, Film] = {}
    return tuple(
        f"{_named(other, index.root)} = {_named(film, index.root)}"
        for film in index.films
        if (other := first.setdefault(film.content, film)).label != film.label
    )


def _named(film: Film, root: Path) -> str:
    """The path below the data folder; where it is not `<split>/<label>/…`, these are added."""
    path = film.path.relative_to(root) if film.path.is_relative_to(root) else film.path
    place = (film.label,) if film.split is None else (film.split, film.label)
    evident = path.parts[: len(place)] == place
    return path.as_posix() if evident else f"{path.as_posix()} ({', '.join(place)})"
