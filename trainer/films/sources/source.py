"""The files of a source before any film is read, with their labels and what is known of splits and patients."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainer.films.film import SplitName
from trainer.films.marks import Marks
from trainer.films.sources.dicom import StatedPatient


@dataclass(frozen=True, slots=True)
class FoundFilm:
    """One file that a source names."""

    path: Path
    label: str
    split: SplitName | None = None
    patient: str | None = None
    """As the source calls them; None: not known. It is written nowhere."""
    stated: StatedPatient = field(default_factory=StatedPatient)
    """As the DICOM file does that the film was made of."""
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    marks: Marks | None = field(default=None, hash=False)
    """What is known of each of its findings; None: `label` is a class, or a list of findings."""
    mask: Path | None = None
    """An image of the same film that is bright where the lungs are."""


@dataclass(frozen=True, slots=True)
class Source:
    """All films of a source below `root`, in a stable order."""

    root: Path
    films: tuple[FoundFilm, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """As in `trainer.films.film.FilmIndex`."""
    patients_column: str | None = None
    """The column of a table that names the patients of `films`."""
    studies_column: str | None = None
    """The column that names their studies."""
