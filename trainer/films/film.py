"""Films with their truth, and the index of all films of a source; `trainer.films.sources` knows the layouts."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

from schemas.errors import TrainingDataError
from schemas.model.decision import NO_FINDING
from schemas.model.evaluation import films_in_words
from trainer.films.marks import Marks
from trainer.films.negative import NegativeClass, find_negative
from trainer.films.options import TaskKind
from trainer.films.patients import PatientSources

SplitName = Literal["train", "val", "test"]

SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
MIN_VAL_FILMS = 50
"""A smaller validation set decides nothing: of Kermany's 16 films one is 6.25 %."""

# Kermany's names, also behind a prefix: person12_virus_35.jpeg, IM-0115-0001.jpeg, NORMAL2-IM-0246-0001-0002.jpeg
KERMANY = re.compile(
    r"(?:^|[/_\-. ])(?P<patient>(?P<prefix>person|(?:NORMAL2-)?IM-)(?P<number>\d+))"
    r"(?:_(?P<subtype>bacteria|virus))?[-_]\d"
)
"""To be searched in the name or the path of a film."""
AGE = "age"
"""The attribute that is read as years."""
LARGEST_NUMBER = 20
"""Groups of one attribute; an attribute with more values distinguishes films, not groups."""
STUDY = "study:"
"""How the patient of a film begins of whom the study alone is known."""


@dataclass(frozen=True, slots=True)
class Film:
    """One file with its truth."""

    path: Path
    label: str
    """Its class, or in words what is known of its findings."""
    patient: str
    """Films of one patient stand on one side of a split of ours; a film of no known patient stands for itself."""
    split: SplitName | None
    """Where the film is used; None: the source has no splits."""
    sha256: str
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What else is known, e.g. sex, age (years), view; what is not known has no entry."""
    copy_of: str = ""
    """The sha256 of the first film that shows the same picture in another encoding; empty: of none that is known."""
    patient_known: bool = True
    """False: `patient` names the film itself or its study, and other films may be of the same patient."""
    marks: Marks | None = field(default=None, hash=False)
    """What is known of each finding, where each is judged by itself; None: `label` is the only class of the film."""

    @property
    def strata(self) -> tuple[str, ...]:
        """What a split keeps in proportion: its class; or each finding that is present, `NO_FINDING` where none is."""
        if self.marks is None:
            return (self.label,)
        return tuple(name for name, mark in self.marks.items() if mark == "present") or (NO_FINDING,)

    @property
    def content(self) -> str:
        """Equal for films that show the same picture, whatever their encoding."""
        return self.copy_of or self.sha256

    @property
    def numbered_patient(self) -> str:
        """The patient as the official splits count: Kermany numbers bacterial and viral patients apart.

        By number alone 170 patients would stand in both its train and its test set, by number and
        subtype none does. A patient who is known otherwise than from the name is who they are.
        """
        match = KERMANY.search(self.path.name)
        if match is None or match["subtype"] is None or self.patient != match["patient"]:
            return self.patient
        return f"{self.patient}_{match['subtype']}"


@dataclass(frozen=True, slots=True)
class FilmIndex:
    """The films below `root` in the order of their source; every class has films in every split of the source."""

    root: Path
    films: tuple[Film, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What was decided about the films, for the record of the run."""
    dropped: tuple[str, ...] = ()
    """Each film that the source has and the run does not use, with the reason."""
    patients: PatientSources = field(default_factory=PatientSources)
    """How the patients of the source's films are known."""
    altered_copies: str = ""
    """Which copies were looked for and which cannot be found, in words; empty: the films were not compared."""

    wanted_negative: str | None = None
    """The class that the user names as the negative one; see `trainer.films.negative.find_negative`."""

    @property
    def negative(self) -> NegativeClass:
        """The class that means none of the others, and why.

        Raises:
            TrainingDataError: the user names another.
        """
        if self.task == "findings":
            return NegativeClass(None, "each finding is judged by itself: a film may have several of them, or none")
        return find_negative(self.classes, self.wanted_negative)

    @property
    def task(self) -> TaskKind:
        """Whether the classes exclude one another, or each is a finding that is judged by itself."""
        return "findings" if any(film.marks is not None for film in self.films) else "classes"

    @property
    def negative_class(self) -> str | None:
        """The name of the class that means none of the others; None where every class is a finding."""
        return self.negative.name

    @property
    def data_sha256(self) -> str:
        """See `data_sha256`."""
        return data_sha256(self.films)

    @property
    def counts(self) -> dict[SplitName | None, dict[str, int]]:
        """Films of each class in each split that the source gives; the key None: no split is given."""
        films = Counter((film.split, name) for film in self.films for name in film.strata)
        splits = [split for split in (*SPLITS, None) if any(key == split for key, _ in films)]
        return {split: {label: films[split, label] for label in self.classes} for split in splits}


def data_sha256(films: Iterable[Film]) -> str:
    """Hash over the sorted film hashes and labels: the identity of a set of films, wherever it lies."""
    lines = sorted(f"{film.sha256} {film.label}\n" for film in films)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_classes(films: Sequence[Film], classes: Iterable[str], splits: Iterable[SplitName | None]) -> None:
    """Every class must have a film in every one of `splits`; a finding also a film on which it is known to be absent.

    Raises:
        TrainingDataError: one has none.
    """
    present = {(film.split, name) for film in films for name in film.strata}
    marked = [(film.split, film.marks) for film in films if film.marks is not None]
    absent = {(split, name) for split, marks in marked for name, mark in marks.items() if mark == "absent"}
    for split, label in product(splits, classes):
        if marked and (split, label) not in absent:
            msg = (
                f"finding {label} is known to be absent on no film in {split or 'the data'}; add such films, or leave "
                "it out of data.findings"
            )
            raise TrainingDataError(msg)
        if (split, label) not in present:
            msg = (
                f"class {label} has no film in {split or 'the data'}: none was given, too few patients, or only "
                "copies; add films, remove the class, or change the fractions"
            )
            raise TrainingDataError(msg)


def described(name: str, films: Sequence[Film]) -> str:
    """A set of films in words, e.g. 'validation: 1,040 films of 560 patients'."""
    unknown = sum(not film.patient_known for film in films)
    return f"{name}: {films_in_words(len(films), len({film.patient for film in films}), unknown)}"
