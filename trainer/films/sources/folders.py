"""Folders of films: `<class>/`, `train|val|test/<class>/`, and either with `images/` and `masks/` in each class."""

from pathlib import Path

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import SPLITS, SplitName
from trainer.films.sources.source import FoundFilm, Source

IMAGES = "images"
MASKS = "masks"
_MASK_ENDINGS = ("_mask", "-mask", "_seg", "_segmentation")


def folder_source(root: Path) -> Source:
    """Find `train|val|test/<class>/<film>`, or `<class>/<film>` where no folder is called train, val or test.

    A class folder may hold its films in `images/`, with a mask of the lungs under the same name in `masks/`, as the
    COVID-19 Radiography Database does (Chowdhury et al., IEEE Access 8 (2020) 132665; Rahman et al., Comput. Biol. Med.
    132 (2021) 104319). Hidden files are skipped.

    Raises:
        TrainingDataError: a class without films, fewer than two classes, classes that differ between the splits, a
            split layout without train, folders or masks among the films.
    """
    folders = _folders(root)
    splits = [split for split in SPLITS if split in folders]
    layout: dict[SplitName | None, Path] = {split: root / split for split in splits} if splits else {None: root}
    if splits and "train" not in splits:
        msg = f"{root} has {', '.join(splits)} but no train folder; add train/<class>/, or remove the split folders"
        raise TrainingDataError(msg)
    classes = _common_classes(layout)
    films = tuple(
        FoundFilm(path, label, split, mask=mask)
        for split, folder in layout.items()
        for label in classes
        for path, mask in _class_films(folder / label, root)
    )
    ignored = [name for name in folders if splits and name not in splits]
    notes = [f"ignored next to train: {', '.join(ignored)}"] if ignored else []
    return Source(root, films, classes, tuple(notes))


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _common_classes(layout: dict[SplitName | None, Path]) -> tuple[str, ...]:
    folders = {split: _folders(folder) for split, folder in layout.items()}
    classes = next(iter(folders.values()))
    for split, names in folders.items():
        if names != classes:
            msg = (
                f"train has the classes {', '.join(classes) or 'none'}, {split} has {', '.join(names) or 'none'}; "
                "every split needs a folder of the same name for every class"
            )
            raise TrainingDataError(msg)
    return tuple(classes)


def _class_films(folder: Path, root: Path) -> list[tuple[Path, Path | None]]:
    """Films of a class with their masks."""
    if (folder / IMAGES).is_dir():
        masks = _files(folder / MASKS, root) if (folder / MASKS).is_dir() else []
        by_name = {path.name: path for path in masks}
        return [(path, by_name.get(path.name)) for path in _films(folder / IMAGES, root)]
    return [(path, None) for path in _films(folder, root)]


def _films(folder: Path, root: Path) -> list[Path]:
    files = _files(folder, root)
    masks = [path.relative_to(root).as_posix() for path in files if path.stem.lower().endswith(_MASK_ENDINGS)]
    if masks:
        msg = (
            f"{len(masks)} files among the films are masks by their names; remove them, or lay the class out as "
            f"{IMAGES}/ and {MASKS}/:" + listing(masks)
        )
        raise TrainingDataError(msg)
    return files


def _files(folder: Path, root: Path) -> list[Path]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    nested = [f"{entry.relative_to(root).as_posix()}/" for entry in entries if entry.is_dir()]
    if nested:
        msg = (
            f"a class folder holds films, or {IMAGES}/ and {MASKS}/, and no other folders; "
            "move the films up and masks away:" + listing(nested)
        )
        raise TrainingDataError(msg)
    if not entries:
        msg = f"{folder.relative_to(root).as_posix()} holds no films; add some or remove the class from every split"
        raise TrainingDataError(msg)
    return entries
