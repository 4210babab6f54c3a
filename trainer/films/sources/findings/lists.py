"""Labels that list the findings of a film: `Effusion|Mass`, `Effusion; Mass`, `['Effusion', 'Mass']`, `No Finding`."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.marks import Mark, mark_of
from trainer.films.negative import is_negative_name
from trainer.films.sources.labels import perhaps_several, same_name
from trainer.films.sources.source import FoundFilm, Source

_SEPARATORS = re.compile(r"[|;\n]")
_IN_BRACKETS = re.compile(r"[|;\n,]")


def has_lists(labels: Iterable[str]) -> bool:
    """Whether any label lists more than one finding beyond doubt; a comma or `and` may be part of a name."""
    return any(len(_parts(label)) > 1 for label in set(labels))


def marked_by_lists(source: Source, negative: str | None) -> Source:
    """The films with what their labels list: every finding of any film is present or absent on each.

    Args:
        source: with labels; an empty one lists nothing.
        negative: the word that stands for no finding, in addition to those of `trainer.films.negative`.

    Raises:
        TrainingDataError: labels that list a finding and its absence, or that may be lists of another form.
    """
    written = [_written(film.label, negative) for film in source.films]
    frequency = Counter(name for marks in written for name in marks)
    spellings: dict[str, str] = {}
    for name in sorted(frequency, key=lambda name: (-frequency[name], name)):
        spellings.setdefault(same_name(name), name)
    findings = sorted(spellings.values())
    _refuse_other_lists(source, findings)
    films = tuple(
        replace(film, marks=_marks({spellings[same_name(name)]: mark for name, mark in marks.items()}, findings))
        for film, marks in zip(source.films, written, strict=True)
    )
    _refuse_contradictions(source, negative)
    return replace(source, films=films, classes=tuple(findings))


def is_negative(name: str, negative: str | None) -> bool:
    """Whether a name stands for no finding."""
    return is_negative_name(name) or (negative is not None and same_name(name) == same_name(negative))


def _parts(label: str) -> list[str]:
    inside = label.strip()
    separators = _IN_BRACKETS if inside[:1] in {"[", "{"} else _SEPARATORS
    return [part for text in separators.split(inside.strip("[]{}")) if (part := text.strip().strip("'\"").strip())]


def _written(label: str, negative: str | None) -> dict[str, Mark]:
    return dict(mark_of(part) for part in _parts(label) if not is_negative(part, negative))


def _marks(written: Mapping[str, Mark], findings: Sequence[str]) -> dict[str, Mark]:
    return {name: written.get(name, "absent") for name in findings}


def _refuse_contradictions(source: Source, negative: str | None) -> None:
    def contradicts(film: FoundFilm) -> bool:
        words = _parts(film.label)
        absences = [word for word in words if is_negative(word, negative)]
        return bool(absences) and any(mark_of(word)[1] == "present" for word in words if word not in absences)

    if both := [_line(film, source) for film in source.films if contradicts(film)]:
        msg = f"{len(both)} films have a finding and no finding in one label; mend the labels:"
        raise TrainingDataError(msg + listing(both))


def _refuse_other_lists(source: Source, findings: Sequence[str]) -> None:
    joined = [name for name in findings if perhaps_several(name, findings)]
    if joined:
        lines = [_line(film, source) for film in source.films if set(_parts(film.label)) & set(joined)]
        msg = (
            f"{len(lines)} films have several findings in one name, such as {joined[0]}; separate findings by `|`, so "
            "that a comma or `and` within a name is not taken for a list:"
        )
        raise TrainingDataError(msg + listing(lines))


def _line(film: FoundFilm, source: Source) -> str:
    return f"{film.path.relative_to(source.root).as_posix()}: {film.label}"
