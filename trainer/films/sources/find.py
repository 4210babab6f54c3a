"""Where films come from: one function that recognises each layout by what lies at a path."""

from dataclasses import replace
from pathlib import Path

from schemas.errors import TrainingConfigError, TrainingDataError
from trainer.films.files import listing
from trainer.films.film import FilmIndex
from trainer.films.inspection.names import escaped, is_writable
from trainer.films.negative import find_negative
from trainer.films.options import DataOptions
from trainer.films.sources.findings.choice import with_findings
from trainer.films.sources.findings.lists import marked_by_lists
from trainer.films.sources.folders import folder_source
from trainer.films.sources.kermany import three_classes
from trainer.films.sources.labels import with_one_spelling
from trainer.films.sources.masks import lungs_only
from trainer.films.sources.medmnist import npz_source
from trainer.films.sources.reading import read_source
from trainer.films.sources.source import Source
from trainer.films.sources.table import table_source
from trainer.plugins import find_plugin, plugin_names
from trainer.reporter import Progress


def index_films(options: DataOptions, progress: Progress | None = None) -> FilmIndex:
    """Index the films at a path, in whichever layout they lie there.

    Args:
        options: where the films lie: a folder (see `folder_source`), a MedMNIST `.npz` (see `npz_source`) or a `.csv`
            (see `table_source`); how their classes, labels and masks are read; whether unreadable files are left out.
        progress: called for each file that is read.

    Raises:
        TrainingDataError: nothing at the path that can be trained on; the message names the fault and the remedy.
        TrainingConfigError: too few label names, or names for data that has its own.
    """
    data = Path(options.path)
    cache = Path(options.cache)
    found = _of_plugin(options.path, cache) or _find(data, cache, options)
    source = _with_truth(_with_writable_names(found, skip=options.skip_unreadable), options)
    if len(source.classes) < 2:  # noqa: PLR2004 - a classifier distinguishes at least two classes
        names = ", ".join(source.classes) or "none"
        msg = f"{data} has {len(source.classes)} classes ({names}); training needs at least two"
        raise TrainingDataError(msg)
    if options.classes == "kermany3":
        source = three_classes(_of_classes(source))
    if options.masks == "lungs":
        source = lungs_only(source, cache, skip_unreadable=options.skip_unreadable, progress=progress)
    elif ignored := sum(film.mask is not None for film in source.films):
        source = replace(source, notes=(*source.notes, f"ignored the masks of {ignored} films"))
    rule = None if options.patients == source.patients_column else options.patients
    if not _is_marked(source):
        find_negative(source.classes, options.negative_class)  # refused before thousands of films are read
    index = read_source(source, skip_unreadable=options.skip_unreadable, patients=rule, progress=progress)
    return replace(index, wanted_negative=options.negative_class)


def _with_truth(source: Source, options: DataOptions) -> Source:
    """The source with classes in one spelling, or with the findings that are learned."""
    if not _is_marked(source) and options.task == "findings":
        source = marked_by_lists(source, options.negative_class)
    return with_findings(source, options) if _is_marked(source) else with_one_spelling(source)


def _is_marked(source: Source) -> bool:
    return any(film.marks is not None for film in source.films)


def _of_classes(source: Source) -> Source:
    if _is_marked(source):
        msg = "classes=kermany3 gives each film one class, and the data has several findings a film; leave one out"
        raise TrainingConfigError(msg)
    return source


def _of_plugin(path: str, cache: Path) -> Source | None:
    """The films of `NAME:PLACE`, where a plug-in is called NAME."""
    name, colon, place = path.partition(":")
    plugin = find_plugin("source", name, ()) if colon else None
    return plugin.make(Source, place, cache) if plugin else None


def _find(data: Path, cache: Path, options: DataOptions) -> Source:
    if options.label_names and data.suffix != ".npz":
        msg = f"label_names names the labels of a .npz; {data} names its classes itself: leave label_names out"
        raise TrainingConfigError(msg)
    if data.is_dir():
        return folder_source(data)
    if data.is_file() and data.suffix == ".npz":
        return npz_source(data, cache, options)
    if data.is_file() and data.suffix in {".csv", ".tsv"}:
        return table_source(data, options)
    msg = (
        f"{data} is not a folder, nor a .npz, .csv or .tsv file; name the folder that holds train/<class>/ or "
        f"<class>/, or such a file{_or_plugins()}"
    )
    raise TrainingDataError(msg)


def _with_writable_names(source: Source, *, skip: bool) -> Source:
    """The source without films whose names cannot be written into split.csv, the report and the other records.

    Raises:
        TrainingDataError: there are some, without `skip`, or all are such.
    """
    names = {film: film.path.relative_to(source.root).as_posix() for film in source.films}
    good = tuple(film for film, name in names.items() if is_writable(name))
    bad = [escaped(name) for name in names.values() if not is_writable(name)]
    if bad and not (skip and good):
        msg = (
            f"{len(bad)} of {len(source.films)} files have names that are not UTF-8 or hold control characters; rename "
            "them, e.g. by convmv -f latin1 -t utf8 -r --notest FOLDER, or leave them out with --skip-unreadable:"
        )
        raise TrainingDataError(msg + listing(bad))
    lines = (f"{name}: the name is not UTF-8, or holds control characters" for name in bad)
    return replace(source, films=good, dropped=(*source.dropped, *lines))


def _or_plugins() -> str:
    names = plugin_names("source")
    return f", or {' or '.join(f'{name}:PLACE' for name in names)} of a plug-in" if names else ""
