"""The films of a run: indexed, checked for leaks, split, and written down before anything is trained."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from bundle.files import write_whole
from schemas.errors import TrainingDataError
from schemas.model.decision import NO_FINDING
from schemas.model.evaluation import patients_in_words
from schemas.preprocess import PreprocessSpec
from schemas.record import Record, Sha256
from trainer.films.copies.marking import mark_altered
from trainer.films.copies.renditions import read_renditions
from trainer.films.duplicates import mark_copies
from trainer.films.film import SPLITS, Film, FilmIndex
from trainer.films.leaks import close_leaks
from trainer.films.options import DataOptions, TaskKind
from trainer.films.patients import PatientSources
from trainer.films.regions.marked import MarkedFilms, read_marked
from trainer.films.sources.find import index_films
from trainer.films.splits import Split, grouped_folds, grouped_split, read_split
from trainer.films.subsample import sample_split
from trainer.films.task import LabelledFilms, Task, labelled
from trainer.folder import RunFolder
from trainer.reporter import Progress


class DataRecord(Record):
    """The content of data.json: the films of a run in figures."""

    data: str
    classes: tuple[str, ...] = Field(min_length=2, description="K classes in the order of the logits")
    task: TaskKind = Field(
        default="classes", description="findings: each class is a finding that is judged by itself; a film may have any"
    )
    negative_class: str | None
    negative_reason: str = Field(default="", description="why this class was taken as the negative one, or none")
    data_sha256: Sha256
    split_sha256: Sha256
    counts: dict[str, dict[str, int]] = Field(
        description="split: class: films; of findings also the films with none of them"
    )
    films: dict[str, int] = Field(default={}, description="split: films; empty: the sum of its counts")
    patients: dict[str, int] = Field(description="split: patients")
    unknown_patients: dict[str, int] = Field(
        default={}, description="split: films whose patient is not known; each counts as one; empty: none"
    )
    patients_known: PatientSources = Field(
        default=PatientSources(), description="how the patients of the source's films are known"
    )
    altered_copies: str = Field(default="", description="which copies were looked for, and which cannot be found")
    notes: tuple[str, ...]
    root: str = Field(description="folder that the paths of split.csv are relative to")
    dropped: tuple[str, ...] = Field(description="films that are not used, each with the reason")

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found and decided, for the output of a run."""
        counts = (
            f"{split}: {self._films_in_words(split)}"
            f"{', '.join(f'{label} {count:,}' for label, count in self.counts[split].items())}; "
            f"patients: {self.patients_in_words(split)}"
            for split in SPLITS
            if any(self.counts[split].values())
        )
        known = (*self.patients_known.sentences, self.negative_reason)
        return (*known, *self.notes, self.altered_copies, *counts)

    def _films_in_words(self, split: str) -> str:
        """How many films there are, where their counts do not add up to it."""
        return f"{self.films[split]:,} films, " if self.films else ""

    def films_of(self, split: str) -> int:
        """The number of films of a split."""
        return self.films[split] if self.films else sum(self.counts[split].values())

    def patients_in_words(self, split: str) -> str:
        """The number of patients of a split, or that it is not known."""
        return patients_in_words(self.films_of(split), self.patients[split], self.unknown_patients.get(split, 0))


@dataclass(frozen=True, slots=True)
class Dataset:
    """The films of a run in memory: made or read once, and passed on.

    The films of test are part of `split`; `trainer.runs.test_set` alone may take them.
    """

    record: DataRecord
    split: Split
    options: DataOptions

    @property
    def task(self) -> Task:
        """The classes of the run."""
        activation: Literal["softmax", "sigmoid"] = "sigmoid" if self.record.task == "findings" else "softmax"
        return Task(self.record.classes, self.record.negative_class, activation)

    @property
    def root(self) -> Path:
        """The folder that the paths of split.csv are relative to."""
        return self.split.root

    def films(self, part: Literal["train", "val"], fold: int | None = None) -> tuple[Film, ...]:
        """The films that a trial trains on or validates with.

        Args:
            part: which of both.
            fold: of cross-validation, from 0; None: the split's own.
        """
        if fold is None or self.options.folds is None:
            return self.split.of(part)
        films = (*self.split.of("train"), *self.split.of("val"))
        chosen = grouped_folds(films, self.options.folds, self.options.split_seed)[fold]
        return chosen.train if part == "train" else chosen.val

    def prepared(self, films: tuple[Film, ...], spec: PreprocessSpec) -> LabelledFilms:
        """Films of the run, prepared and with their labels.

        Raises:
            TrainingDataError: films that cannot be decoded or have changed, or no space left.
        """
        return labelled(films, self.task, spec, Path(self.options.cache))

    def prepared_for_training(self, films: tuple[Film, ...], spec: PreprocessSpec) -> LabelledFilms:
        """The same, with the other renditions and the marks of these films where the options name some.

        Raises:
            TrainingDataError: see `prepared`, `read_renditions` and `read_marked`.
        """
        plain = self.prepared(films, spec)
        if self.options.lung_masks is not None or self.options.boxes is not None:
            plain = replace(plain, marks=self._marks(films, plain, spec))
        if self.options.renditions is None:
            return plain
        cache = Path(self.options.cache)
        found = read_renditions(films, plain.films, Path(self.options.renditions), spec, cache)
        return replace(plain, renditions=found)

    def _marks(self, films: tuple[Film, ...], plain: LabelledFilms, spec: PreprocessSpec) -> MarkedFilms:
        return read_marked(films, plain.present, self.task.classes, spec, self.options)


def prepare_dataset(options: DataOptions, folder: RunFolder, progress: Progress | None = None) -> Dataset:
    """Index the films, stop at a leak, split by patient, and write split.csv and data.json.

    Args:
        options: which films, and how they are split.
        folder: of the run; a run that goes on must have the films that it was started with.
        progress: called for each film that is read.

    Raises:
        TrainingDataError: films that cannot be trained on, or not those that the run was started with, or no space.
    """
    index = close_leaks(_index(options, progress), options.on_duplicates)
    split = grouped_split(
        index, val_fraction=options.val_fraction, test_fraction=options.test_fraction, seed=options.split_seed
    )
    notes = index.notes
    if options.films is not None:
        notes = (*notes, f"a sample of {options.films} of {len(split.films)} films, whole patients first")
        split = sample_split(split, options.films, options.split_seed)
    record = _record(options, index, split, notes)
    if folder.data.exists():
        _require_same_films(read_data(folder), record, folder)
    else:
        _write(folder, record, split)
    return Dataset(record, split, options)


def _index(options: DataOptions, progress: Progress | None) -> FilmIndex:
    cache = Path(options.cache)
    index = mark_copies(
        index_films(options, progress),
        cache,
        threshold=options.near_duplicates,
        skip_unreadable=options.skip_unreadable,
        progress=progress,
    )
    return mark_altered(index, cache, options.altered_copies, progress=progress)


def _record(options: DataOptions, index: FilmIndex, split: Split, notes: tuple[str, ...]) -> DataRecord:
    films = Counter((film.split, name) for film in split.films for name in film.strata)
    counted = (*index.classes, NO_FINDING) if index.task == "findings" else index.classes
    return DataRecord(
        data=options.path,
        classes=index.classes,
        task=index.task,
        negative_class=index.negative.name,
        negative_reason=index.negative.reason,
        data_sha256=index.data_sha256,
        split_sha256=split.sha256,
        counts={name: {label: films[name, label] for label in counted} for name in SPLITS},
        films={name: len(split.of(name)) for name in SPLITS} if index.task == "findings" else {},
        patients={name: len({film.patient for film in split.of(name)}) for name in SPLITS},
        unknown_patients={name: sum(not film.patient_known for film in split.of(name)) for name in SPLITS},
        patients_known=index.patients,
        altered_copies=index.altered_copies,
        notes=notes,
        root=str(index.root),
        dropped=index.dropped,
    )


def _require_same_films(before: DataRecord, now: DataRecord, folder: RunFolder) -> None:
    if (before.data_sha256, before.split_sha256) != (now.data_sha256, now.split_sha256):
        msg = f"the films of {now.data} are not those that {folder} was started with; give another --out"
        raise TrainingDataError(msg)


def _write(folder: RunFolder, record: DataRecord, split: Split) -> None:
    try:
        split.write(folder.split)
        write_whole(folder.data, record.model_dump_json(indent=2).encode())
    except OSError as error:
        msg = f"{folder} cannot hold the record of the films ({error.strerror}); free some space or give another --out"
        raise TrainingDataError(msg) from error


def read_dataset(folder: RunFolder, options: DataOptions) -> Dataset:
    """The films of a run as split.csv and data.json have them.

    Args:
        folder: of the run.
        options: that the run was started with.

    Raises:
        TrainingDataError: a record is missing, or not of this version.
    """
    record = read_data(folder)
    findings = record.classes if record.task == "findings" else ()
    return Dataset(record, read_split(folder.split, Path(record.root), findings), options)


def read_data(folder: RunFolder) -> DataRecord:
    """The record of a run's films.

    Raises:
        TrainingDataError: there is none, or it is not of this version.
    """
    try:
        return DataRecord.model_validate_json(folder.data.read_bytes())
    except (OSError, ValidationError) as error:
        msg = f"{folder.data} is missing or of another version; start the run again"
        raise TrainingDataError(msg) from error
