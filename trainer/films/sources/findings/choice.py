"""Which findings of a source are learned, and what is known of each; every decision is stated in a note."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from schemas.errors import TrainingDataError
from trainer.films.marks import Mark, Marks, text_of
from trainer.films.options import DataOptions, Uncertain
from trainer.films.sources.labels import same_name
from trainer.films.sources.source import FoundFilm, Source

FEWEST_FILMS: Final = 50
"""With a finding, and without it: a validation set of 15 % then has seven of them, and fewer decide no threshold."""

_MEANING: Mapping[Uncertain, Mark] = MappingProxyType(
    {"ignore": "unknown", "positive": "present", "negative": "absent", "soft": "uncertain"}
)
_WORDS: Mapping[Uncertain, str] = MappingProxyType(
    {
        "ignore": "they are not learned",
        "positive": "they are taken as present",
        "negative": "they are taken as absent",
        "soft": "a share of them is learned, and no figure counts them",
    }
)


def with_findings(source: Source, options: DataOptions) -> Source:
    """The films with the marks of the findings that are learned, which are the classes, and their text as label.

    Args:
        source: its films have marks; its classes are all the findings that it knows.
        options: the findings that the user names, and what an uncertain one counts as.

    Raises:
        TrainingDataError: the user names a finding that is not there, or none occurs often enough.
    """
    known = {film: film.marks or {} for film in source.films}
    findings = _named(source, options.findings) if options.findings else _frequent(source, known)
    uncertain = Counter(name for marks in known.values() for name in findings if marks[name] == "uncertain")
    meaning = _MEANING[options.uncertain]
    marked = {
        film: {name: meaning if marks[name] == "uncertain" else marks[name] for name in findings}
        for film, marks in known.items()
    }
    nothing = [film for film, marks in marked.items() if set(marks.values()) == {"unknown"}]
    films = tuple(
        replace(film, label=text_of(marks), marks=marks)
        for film, marks in marked.items()
        if set(marks.values()) != {"unknown"}
    )
    notes = [
        f"task: findings, each judged by itself, {_reason(source, options)}",
        *_notes(source, findings, films),
    ]
    if uncertain:
        notes.append(f"uncertain: {_listed(uncertain)}: {_WORDS[options.uncertain]}, by data.uncertain")
    lines = [f"{film.path.relative_to(source.root).as_posix()}: none of the findings is known" for film in nothing]
    return replace(
        source,
        films=films,
        classes=findings,
        notes=(*source.notes, *notes),
        dropped=(*source.dropped, *lines),
    )


def _named(source: Source, wanted: Sequence[str]) -> tuple[str, ...]:
    names = {same_name(name): name for name in source.classes}
    if unknown := [name for name in wanted if same_name(name) not in names]:
        msg = f"data.findings names {', '.join(unknown)}; the data has {', '.join(source.classes)}: name some of these"
        raise TrainingDataError(msg)
    return tuple(names[same_name(name)] for name in wanted)


def _frequent(source: Source, known: Mapping[FoundFilm, Marks]) -> tuple[str, ...]:
    counts = _counts(known.values())
    frequent = tuple(
        name
        for name in source.classes
        if min(counts[name, "present"], counts[name, "absent"]) >= FEWEST_FILMS and _everywhere(name, known)
    )
    if len(frequent) < 2:  # noqa: PLR2004 - as many as a network distinguishes at least
        has = ", ".join(f"{name} ({counts[name, 'present']:,})" for name in source.classes) or "none"
        msg = (
            f"fewer than two findings are present on {FEWEST_FILMS} films and absent on as many, in every split; the "
            f"data has {has}: name the findings to learn by --findings A,B, or add films"
        )
        raise TrainingDataError(msg)
    return frequent


def _everywhere(name: str, known: Mapping[FoundFilm, Marks]) -> bool:
    """Whether each split of the source has the finding, and has films without it."""
    seen = {(film.split, marks[name]) for film, marks in known.items()}
    return all({(split, "present"), (split, "absent")} <= seen for split in {film.split for film in known})


def _reason(source: Source, options: DataOptions) -> str:
    if options.task == "findings":
        return "as data.task says"
    several = sum(list((film.marks or {}).values()).count("present") > 1 for film in source.films)
    return (
        f"because {several:,} films of this data have several; for classes that exclude one another set "
        "data.task=classes"
        if several
        else "because this data marks each of them as present or absent"
    )


def _notes(source: Source, findings: Sequence[str], films: Sequence[FoundFilm]) -> Iterator[str]:
    before = _counts(film.marks or {} for film in source.films)
    if left := [name for name in source.classes if name not in findings]:
        counts = Counter({name: before[name, "present"] for name in left})
        yield (
            f"findings that are not learned, with the films that have them: {_listed(counts)}; by default those that "
            f"{FEWEST_FILMS} films have and {FEWEST_FILMS} have not are learned; name others by --findings. A film "
            "with these alone counts as one without a finding"
        )
    after = _counts(film.marks or {} for film in films)
    if unknown := Counter({name: after[name, "unknown"] for name in findings if after[name, "unknown"]}):
        yield f"not known, and counted nowhere: {_listed(unknown)}"


def _counts(marks: Iterable[Marks]) -> Counter[tuple[str, Mark]]:
    return Counter((name, mark) for one in marks for name, mark in one.items())


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
