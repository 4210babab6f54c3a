"""Where films come from: one function that knows each layout by what lies at a path."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from schemas.errors import TrainingConfigError, TrainingDataError
from trainer.films.film import FilmIndex, Progress
from trainer.films.sources.folders import folder_source
from trainer.films.sources.kermany import three_classes
from trainer.films.sources.masks import lungs_only
from trainer.films.sources.medmnist import npz_source
from trainer.films.sources.reading import read_source
from trainer.films.sources.source import Source
from trainer.films.sources.table import table_source

Classes = Literal["folders", "kermany3"]
Masks = Literal["ignore", "lungs"]


def index_films(  # noqa: PLR0913 - one argument for each field of the config
    data: Path,
    *,
    cache: Path = Path(".cache/films"),
    classes: Classes = "folders",
    masks: Masks = "ignore",
    label_names: Sequence[str] = (),
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> FilmIndex:
    """Index the films at a path, in whichever layout they lie there.

    Args:
        data: a folder (see `folder_source`), a MedMNIST `.npz` (see `npz_source`) or a `.csv` (see `table_source`).
        cache: folder below which an archive, or the lungs alone, are unpacked.
        classes: "kermany3" tells bacterial from viral pneumonia by Kermany's file names.
        masks: "lungs" blackens what the masks beside the films leave out.
        label_names: names of the labels 0, 1, … of a `.npz`.
        skip_unreadable: leave out, and record, files that are not films, instead of stopping.
        progress: told of each file that is read.

    Raises:
        TrainingDataError: nothing at the path that can be trained on; it says what is wrong and what would help.
        TrainingConfigError: too few label names, or names for data that has its own.
    """
    source = _find(data, cache, label_names)
    if len(source.classes) < 2:  # noqa: PLR2004 - a classifier tells at least two classes apart
        msg = f"{data} has {len(source.classes)} classes ({', '.join(source.classes) or 'none'}); training needs at least two"
        raise TrainingDataError(msg)
    if classes == "kermany3":
        source = three_classes(source)
    if masks == "lungs":
        source = lungs_only(source, cache, skip_unreadable=skip_unreadable, progress=progress)
    elif ignored := sum(film.mask is not None for film in source.films):
        source = replace(source, notes=(*source.notes, f"ignored the masks of {ignored} films"))
    return read_source(source, skip_unreadable=skip_unreadable, progress=progress)


def _find(data: Path, cache: Path, label_names: Sequence[str]) -> Source:
    if label_names and data.suffix != ".npz":
        msg = f"label_names names the labels of a .npz; {data} names its classes itself: leave label_names out"
        raise TrainingConfigError(msg)
    if data.is_dir():
        return folder_source(data)
    if data.is_file() and data.suffix == ".npz":
        return npz_source(data, cache, label_names)
    if data.is_file() and data.suffix == ".csv":
        return table_source(data)
    msg = f"{data} is not a folder, nor a .npz or .csv file; name the folder that holds train/<class>/ or <class>/, or such a file"
    raise TrainingDataError(msg)
