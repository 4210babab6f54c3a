"""A set of films described before training, as one record."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from schemas.model.evaluation import patients_in_words
from schemas.record import Record
from trainer.explore.facts import FilmFacts
from trainer.explore.probes import Probe, Target, probe_all
from trainer.films.film import Film, FilmIndex
from trainer.films.leaks import find_contradictions, find_leaks
from trainer.films.patients import PatientSources

_LISTED = 50


class Spread(Record):
    """A fact over the films of a class."""

    fact: str
    label: str
    quantiles: tuple[float, float, float, float, float] = Field(description="0, 25, 50, 75 and 100 %")


class DataReport(Record):
    """A set of films, described."""

    data: str
    classes: tuple[str, ...]
    data_sha256: str
    films: int
    patients: int
    unknown_patients: int = Field(description="films whose patient is not known; each counts as one")
    patients_known: PatientSources = Field(description="how the patients are known")
    negative_class: str | None = Field(description="the class that means none of the others")
    negative_reason: str = Field(description="why it was taken for this")
    counts: dict[str, dict[str, int]] = Field(description="split ('all' where the data gives none): class: films")
    films_by_split: dict[str, int] = Field(
        default={}, description="split: films, where a film may count for several classes or none; empty: it does not"
    )
    patients_by_split: dict[str, int]
    unknown_by_split: dict[str, int] = Field(description="films whose patient is not known")
    films_per_patient: dict[int, int] = Field(description="number of films: patients with that number")
    formats: dict[str, dict[str, int]] = Field(description="class: format, bits and colour: films")
    sizes: dict[str, int] = Field(description="the most frequent sizes, columns x rows: films")
    spreads: tuple[Spread, ...]
    exact_copies: int = Field(description="films whose bytes are those of another film")
    near_copies: int = Field(description="films that show the picture of another in another encoding")
    leaks: tuple[str, ...] = Field(description="the first patients and copies that are in two splits")
    leak_count: int
    contradictions: tuple[str, ...] = Field(description="the first films that lie under two labels")
    contradiction_count: int
    dropped: tuple[str, ...] = Field(description="files that could not be read, and why")
    notes: tuple[str, ...]
    probes: tuple[Probe, ...] = Field(description="the largest AUROC first")

    def films_of(self, split: str) -> int:
        """The number of films of a split."""
        return self.films_by_split[split] if self.films_by_split else sum(self.counts[split].values())

    def patients_in_words(self, split: str) -> str:
        """The number of patients of a split, or that it is not known."""
        return patients_in_words(self.films_of(split), self.patients_by_split[split], self.unknown_by_split[split])


SPREADS = ("rows", "columns", "aspect", "bytes_per_pixel", "mean", "contrast", "border")


def describe(index: FilmIndex, facts: Sequence[FilmFacts], *, data: str) -> DataReport:
    """Describe films.

    Args:
        index: with its copies marked.
        facts: of the same films, in the same order.
        data: how the user names them.
    """
    films = index.films
    copies = Counter(film.sha256 for film in films)
    leaks = find_leaks(films, index.root)
    contradictions = find_contradictions(index)
    return DataReport(
        data=data,
        classes=index.classes,
        data_sha256=index.data_sha256,
        films=len(films),
        negative_class=index.negative.name,
        negative_reason=index.negative.reason,
        counts={split or "all": counts for split, counts in index.counts.items()},
        **_patients(index),
        formats=_formats(films, facts),
        sizes=dict(Counter(f"{film.columns} x {film.rows}" for film in facts).most_common(8)),
        spreads=tuple(_spreads(films, facts, index.classes)),
        exact_copies=sum(count for count in copies.values() if count > 1),
        near_copies=sum(film.copy_of != "" for film in films),
        leaks=tuple(str(leak) for leak in leaks[:_LISTED]),
        leak_count=len(leaks),
        contradictions=contradictions[:_LISTED],
        contradiction_count=len(contradictions),
        dropped=index.dropped,
        notes=(*index.notes, *filter(None, [index.altered_copies])),
        probes=tuple(probe for members, target in _targets(index, facts) for probe in probe_all(members, target)),
    )


def _patients(index: FilmIndex) -> dict[str, Any]:
    """The fields about patients."""
    films = index.films
    by_split = {split or "all": [film for film in films if film.split == split] for split in index.counts}
    return {
        "patients": len({film.patient for film in films}),
        "unknown_patients": sum(not film.patient_known for film in films),
        "patients_known": index.patients,
        "films_by_split": {split: len(members) for split, members in by_split.items()} if _alone(index) else {},
        "patients_by_split": {split: len({film.patient for film in members}) for split, members in by_split.items()},
        "unknown_by_split": {
            split: sum(not film.patient_known for film in members) for split, members in by_split.items()
        },
        "films_per_patient": dict(sorted(Counter(Counter(film.patient for film in films).values()).items())),
    }


def _alone(index: FilmIndex) -> bool:
    return index.task == "findings"


def _targets(index: FilmIndex, facts: Sequence[FilmFacts]) -> Iterator[tuple[Sequence[FilmFacts], Target]]:
    """The classes, or each finding; and, where the data gives a test set, whether a film belongs to it; with the films.

    A finding is separated among the films on which it is known.
    """
    patients = [film.patient for film in index.films]
    if _alone(index):
        for name in index.classes:
            marks = [(film.marks or {})[name] for film in index.films]
            known = [place for place, mark in enumerate(marks) if mark in {"present", "absent"}]
            labels = np.array([int(marks[place] == "present") for place in known])
            members = [facts[place] for place in known]
            yield members, Target(f"films with {name} from films without", labels, [patients[place] for place in known])
    else:
        classes = np.array([index.classes.index(film.label) for film in index.films])
        yield facts, Target("the classes", classes, patients)
    tests = np.array([film.split == "test" for film in index.films]).astype(np.int64)
    if 0 < tests.sum() < len(tests):
        yield facts, Target("test films from the others", tests, patients)


def _formats(films: Iterable[Film], facts: Iterable[FilmFacts]) -> dict[str, dict[str, int]]:
    formats: dict[str, Counter[str]] = defaultdict(Counter)
    for film, fact in zip(films, facts, strict=True):
        for name in film.strata:
            formats[name][f"{fact.format}, {fact.bits} bits{', colour' if fact.color else ''}"] += 1
    return {label: dict(counts.most_common()) for label, counts in sorted(formats.items())}


def _spreads(films: Sequence[Film], facts: Sequence[FilmFacts], classes: Iterable[str]) -> Iterable[Spread]:
    members = {label: np.array([label in film.strata for film in films]) for label in classes}
    for fact in SPREADS:
        values = np.array([film.columns / film.rows if fact == "aspect" else getattr(film, fact) for film in facts])
        for label, having in members.items():
            quantiles = np.quantile(values[having], (0, 0.25, 0.5, 0.75, 1))
            low, quarter, middle, upper, high = (round(float(value), 4) for value in quantiles)
            yield Spread(fact=fact, label=label, quantiles=(low, quarter, middle, upper, high))
