"""Three classes from Kermany's file names: the folders tell pneumonia from none, the names bacteria from viruses."""

from dataclasses import replace

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import KERMANY
from trainer.films.negative import is_negative_name
from trainer.films.sources.source import FoundFilm, Source

THREE_CLASSES = ("NORMAL", "BACTERIAL_PNEUMONIA", "VIRAL_PNEUMONIA")
_SUBTYPES = {"bacteria": "BACTERIAL_PNEUMONIA", "virus": "VIRAL_PNEUMONIA"}


def three_classes(source: Source) -> Source:
    """Label films normal, bacterial or viral instead of by their folders.

    Raises:
        TrainingDataError: films of a class that is not normal by its name, and that name neither bacteria nor virus.

    Source: Kermany et al., Cell 172 (2018) 1122-1131; names `person<N>_<bacteria|virus>_<i>.jpeg`.
    """
    labels = [_label(film) for film in source.films]
    nameless = [
        film.path.relative_to(source.root).as_posix()
        for film, label in zip(source.films, labels, strict=True)
        if label is None
    ]
    if nameless:
        msg = (
            f"{len(nameless)} films name neither bacteria nor virus, and their folder is not called normal; "
            "classes=kermany3 needs Kermany's names, any other data classes=folders:"
        )
        raise TrainingDataError(msg + listing(nameless))
    films = tuple(replace(film, label=label) for film, label in zip(source.films, labels, strict=True) if label)
    return replace(source, films=films, classes=THREE_CLASSES)


def _label(film: FoundFilm) -> str | None:
    if is_negative_name(film.label):
        return "NORMAL"
    match = KERMANY.search(film.path.name)
    return None if match is None or match["subtype"] is None else _SUBTYPES[match["subtype"]]
