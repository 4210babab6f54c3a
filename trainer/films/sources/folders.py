"""Folders of films: `<class>/`, `train|val|test/<class>/`, `<class>/train|val|test/`, and deeper ones below a class."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import SPLITS, SplitName
from trainer.films.sources.labels import renamed, same_name, split_word
from trainer.films.sources.source import FoundFilm, Source

IMAGES = "images"
MASKS = "masks"
_MASK_ENDINGS = ("_mask", "-mask", "_seg", "_segmentation")
_MASK_FOLDERS = (MASKS, "mask", "segmentation", "segmentations", "seg", "lung_masks", "lungs")
_NO_FILMS = ("__MACOSX",)
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the films of each split and class lie."""

    folders: Mapping[SplitName | None, Mapping[str, Sequence[Path]]]
    notes: tuple[str, ...]


def folder_source(root: Path) -> Source:
    """Find the films of folders that are named after splits and classes, in any usual order and spelling.

    Folders `train`, `val` and `test`, also as `Training`, `valid`, `test_set`, …, lie around the classes or within
    them; where there are none, every folder is a class. A folder that holds nothing but one other is looked through.
    A class folder may hold its films in `images/`, with a mask of the lungs under the same name in `masks/`, as the
    COVID-19 Radiography Database does (Chowdhury et al., IEEE Access 8 (2020) 132665; Rahman et al., Comput. Biol. Med.
    132 (2021) 104319); other folders within a class, e.g. of patients, are read with all below. Hidden files are
    skipped.

    Raises:
        TrainingDataError: a class without films, fewer than two classes, classes that differ between the splits, a
            split layout without train, folders or masks among the films.
    """
    top, looked_through = _top(root)
    layout = _layout(top)
    if layout.folders.keys() != {None} and "train" not in layout.folders:
        names = ", ".join(str(split) for split in layout.folders)
        msg = f"{root} has {names} but no train folder; add train/<class>/, or remove the split folders"
        raise TrainingDataError(msg)
    classes = _common_classes(layout.folders)
    films = tuple(
        FoundFilm(path, label, split, mask=mask)
        for split, folders in layout.folders.items()
        for label in classes
        for folder in folders.get(label, ())
        for path, mask in _class_films(folder, root)
    )
    return Source(root, films, classes, (*looked_through, *layout.notes, *_nested(films, layout.folders)))


def _top(root: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder of the splits or classes, below folders that hold nothing else, as archives are unpacked."""
    top = root
    for _ in range(_DEEPEST):
        folders = [name for name in _folders(top) if name not in _NO_FILMS]
        if len(folders) != 1 or split_word(folders[0]) is not None:
            break
        inner = [name for name in _folders(top / folders[0]) if name not in (IMAGES, *_MASK_FOLDERS)]
        if not inner:
            break
        top /= folders[0]
    return top, () if top == root else (f"the films lie in {top.relative_to(root).as_posix()}/",)


def _layout(top: Path) -> _Layout:
    folders = _folders(top)
    splits = {name: split for name in folders if (split := split_word(name)) is not None}
    if splits:
        ignored = [name for name in folders if name not in splits]
        notes = [f"ignored next to train: {', '.join(ignored)}"] if ignored else []
        notes += renamed(splits, "folder")
        by_split: dict[SplitName | None, dict[str, list[Path]]] = {}
        for split in SPLITS:
            for folder in (_top(top / name)[0] for name, meant in splits.items() if meant == split):
                for label in _folders(folder):
                    by_split.setdefault(split, {}).setdefault(label, []).append(folder / label)
                by_split.setdefault(split, {})
        return _Layout(by_split, tuple(notes))
    classes = [name for name in folders if name not in _NO_FILMS]
    inner = {name: split for label in classes for name in _folders(top / label) if (split := split_word(name))}
    if inner and all(set(_folders(top / label)) & inner.keys() for label in classes):
        _refuse_strays(top, classes, inner)
        return _Layout(
            {
                split: {
                    label: [top / label / name for name in _folders(top / label) if inner[name] == split]
                    for label in classes
                }
                for split in SPLITS
                if split in inner.values()
            },
            ("the splits lie within the classes", *renamed(inner, "folder")),
        )
    return _Layout({None: {label: [top / label] for label in classes}}, ())


def _refuse_strays(top: Path, classes: Sequence[str], splits: Mapping[str, SplitName]) -> None:
    """Nothing may lie beside the splits of a class: it would be of no split."""
    strays = [
        entry.relative_to(top).as_posix()
        for label in classes
        for entry in sorted((top / label).iterdir())
        if not entry.name.startswith(".") and entry.name not in splits
    ]
    if strays:
        msg = f"{len(strays)} entries lie beside the splits of their class; move them into one:" + listing(strays)
        raise TrainingDataError(msg)


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _common_classes(layout: Mapping[SplitName | None, Mapping[str, Sequence[Path]]]) -> tuple[str, ...]:
    """The classes of every split, in all of their spellings."""
    names = {split: sorted(folders) for split, folders in layout.items()}
    same = {split: {same_name(name) for name in folders} for split, folders in names.items()}
    first = next(iter(names))
    for split, folders in names.items():
        if same[split] != same[first]:
            msg = (
                f"{first} has the classes {', '.join(names[first]) or 'none'}, {split} has "
                f"{', '.join(folders) or 'none'}; every split needs a folder of the same name for every class"
            )
            raise TrainingDataError(msg)
    return tuple(dict.fromkeys(name for folders in names.values() for name in folders))


def _nested(films: Sequence[FoundFilm], layout: Mapping[SplitName | None, Mapping[str, Sequence[Path]]]) -> list[str]:
    """A note of classes whose films lie in further folders, which might have been meant as classes."""
    usual = {
        place
        for folders in layout.values()
        for paths in folders.values()
        for path in paths
        for place in (path, path / IMAGES)
    }
    folders = {(film.label, film.path.parent) for film in films if film.path.parent not in usual}
    counts = Counter(label for label, _ in folders)
    return [
        f"read the films of {count:,} folders within {label}; they are not classes"
        for label, count in sorted(counts.items())
    ]


def _class_films(folder: Path, root: Path) -> list[tuple[Path, Path | None]]:
    """Films of a class with their masks."""
    if (folder / IMAGES).is_dir():
        masks = list(_files(folder / MASKS, root)) if (folder / MASKS).is_dir() else []
        by_name = {path.name: path for path in masks}
        return [(path, by_name.get(path.name)) for path in _films(folder / IMAGES, root)]
    return [(path, None) for path in _films(folder, root)]


def _films(folder: Path, root: Path) -> list[Path]:
    files = list(_files(folder, root))
    if not files:
        msg = f"{folder.relative_to(root).as_posix()} holds no films; add some or remove the class from every split"
        raise TrainingDataError(msg)
    masks = [path.relative_to(root).as_posix() for path in files if path.stem.lower().endswith(_MASK_ENDINGS)]
    if masks:
        msg = (
            f"{len(masks)} files among the films are masks by their names; remove them, or lay the class out as "
            f"{IMAGES}/ and {MASKS}/:" + listing(masks)
        )
        raise TrainingDataError(msg)
    return files


def _files(folder: Path, root: Path) -> Iterator[Path]:
    """All files of a folder and below, without hidden ones."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    _refuse_folders([entry for entry in entries if entry.name.lower() in _MASK_FOLDERS or _is_loop(entry)], root)
    for entry in entries:
        if entry.is_dir():
            yield from _files(entry, root)
        else:
            yield entry


def _is_loop(entry: Path) -> bool:
    return entry.is_symlink() and entry.absolute().is_relative_to(entry.resolve())


def _refuse_folders(entries: Sequence[Path], root: Path) -> None:
    nested = [f"{entry.relative_to(root).as_posix()}/" for entry in sorted(entries) if entry.is_dir()]
    if nested:
        msg = (
            f"a class folder holds films, or {IMAGES}/ and {MASKS}/, and no other folders with masks; "
            "move the films up and masks away:" + listing(nested)
        )
        raise TrainingDataError(msg)
