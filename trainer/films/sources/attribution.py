"""Whose film each film is: by the user's rule, a column, DICOM, the look of the names, a study, or nobody's known."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.errors import TrainingDataError
from trainer.films.files import listing
from trainer.films.film import STUDY
from trainer.films.patients import PatientSources
from trainer.films.sources.dicom import StatedPatient
from trainer.films.sources.naming import read_names
from trainer.films.sources.source import FoundFilm, Source

_PLACEHOLDER = re.compile(
    r"(?i)\W*(?:anon(?:ym\w*|imo)?|unknown|none|null|nan|n/?a|nil|not\W?(?:known|available|specified)|test|xx+|\?+|"
    r"(?:de-?identified|removed|redacted|deleted|empty|patient|patient\W?id|id)(?:\W?(?:patient|id))?)?\W*"
)
"""An id that stands for no id; also an empty one."""
_NO_NUMBER = re.compile(r"0+|9{4,}|(\w)\1{5,}")
"""The same of DICOM: devices fill in zeros, or one sign again and again."""
_FEW = 10
"""From so many films on an id of more than half of them cannot be one patient's."""


@dataclass(frozen=True, slots=True)
class Attributed:
    """Whose film a film is."""

    patient: str
    """May be written: a part of a path, or the path of the patient's first film."""
    known: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one source of knowledge says of the films."""

    words: str
    ids: Sequence[str | None]  # [N]
    name: Callable[[str, str], str]
    """From an id and the path of the first film with it, how the patient is called in the records."""
    of_study: bool = False


def attribute(
    source: Source, films: Sequence[FoundFilm], stated: Sequence[StatedPatient], rule: str | None
) -> tuple[tuple[Attributed, ...], PatientSources]:
    """Find the patient of each film.

    Args:
        source: of the films.
        films: N films of the source.
        stated: [N], what their DICOM files say.
        rule: a regular expression over the paths below the data folder, which comes before everything else; its group
            `patient`, or else its first group, or else all that it matches, is the patient.

    Raises:
        TrainingDataError: the rule matches no path, or gives one patient for all films.
    """
    paths = [film.path.relative_to(source.root).as_posix() for film in films]
    hints: list[str] = []
    column = f"column {source.patients_column}"
    study = "DICOM StudyInstanceUID" if source.studies_column is None else f"column {source.studies_column}"
    studies = _trusted([one.study or None for one in stated], study, hints)
    readings = [
        *_by_rule(paths, rule),
        _Reading(column, _trusted([film.patient for film in films], column, hints), _first),
        _Reading(
            "DICOM PatientID", _with_studies(_trusted(_issued(stated), "DICOM PatientID", hints), studies), _first
        ),
        *_by_names(paths, films, hints),
    ]
    readings.append(_Reading(study, studies, _first, of_study=True))
    readings.sort(key=lambda reading: reading.of_study)  # stable
    return _attributed(paths, readings, hints)


def _attributed(
    paths: Sequence[str], readings: Sequence[_Reading], hints: Sequence[str]
) -> tuple[tuple[Attributed, ...], PatientSources]:
    first: dict[tuple[int, str], str] = {}
    patients: Counter[str] = Counter()
    studies: Counter[str] = Counter()
    found = []
    for number, path in enumerate(paths):
        place = next((place for place, reading in enumerate(readings) if reading.ids[number] is not None), None)
        if place is None:
            found.append(Attributed(path, known=False))
            continue
        reading = readings[place]
        words = reading.ids[number] or ""
        patient = reading.name(words, first.setdefault((place, words), path))
        found.append(Attributed(f"{STUDY}{patient}" if reading.of_study else patient, known=not reading.of_study))
        (studies if reading.of_study else patients)[reading.words] += 1
    unknown = len(paths) - patients.total() - studies.total()
    used = tuple(hints) if unknown or studies else ()
    return tuple(found), PatientSources(patients=dict(patients), studies=dict(studies), unknown=unknown, hints=used)


def _first(_: str, path: str) -> str:
    return path


def _written(patient: str, _: str) -> str:
    return patient


def _by_rule(paths: Sequence[str], rule: str | None) -> list[_Reading]:
    if rule is None:
        return []
    pattern = re.compile(rule)
    ids = [None if match is None else _group(match) for match in map(pattern.search, paths)]
    matched = {patient for patient in ids if patient is not None}
    if len(matched) <= 1:
        what = f"gives the one patient {next(iter(matched))} for all films" if matched else "matches no film"
        msg = f"--patients {rule} {what}; it is searched in paths such as these:" + listing(paths[:3])
        raise TrainingDataError(msg)
    return [_Reading(f"--patients {rule}", ids, _written)]


def _group(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return str(groups["patient"] if "patient" in groups else match[1] if match.re.groups else match[0])


def _by_names(paths: Sequence[str], films: Sequence[FoundFilm], hints: list[str]) -> list[_Reading]:
    names = read_names(paths, [film.label for film in films])
    schemes = dict.fromkeys(name.scheme for name in names if name is not None)
    readings = []
    for scheme in schemes:
        ids = [name.patient if name is not None and name.scheme == scheme else None for name in names]
        if scheme.gives == "film":
            hints.append(
                f"{sum(one is not None for one in ids):,} names are like those of {scheme.name}, which tell films "
                "apart and not patients"
            )
        else:
            words = f"names like those of {scheme.name}"
            readings.append(_Reading(words, ids, _written, of_study=scheme.gives == "study"))
    return readings


def _with_studies(ids: Sequence[str | None], studies: Sequence[str | None]) -> list[str | None]:
    """The ids, and for a film without one that of the other films of its study, where they agree."""
    of_study: dict[str, set[str]] = defaultdict(set)
    for patient, study in zip(ids, studies, strict=True):
        if patient is not None and study is not None:
            of_study[study].add(patient)
    return [
        min(known) if patient is None and study is not None and len(known := of_study[study]) == 1 else patient
        for patient, study in zip(ids, studies, strict=True)
    ]


def _issued(stated: Sequence[StatedPatient]) -> list[str | None]:
    """Id and issuer together; an id without an issuer is of the only issuer that gave it."""
    issuers: dict[str, set[str]] = defaultdict(set)
    for one in stated:
        if one.issuer:
            issuers[one.patient_id].add(one.issuer)
    return [
        None
        if _PLACEHOLDER.fullmatch(one.patient_id) or _NO_NUMBER.fullmatch(one.patient_id)
        else f"{one.issuer or (min(given) if len(given := issuers[one.patient_id]) == 1 else '')}\n{one.patient_id}"
        for one in stated
    ]


def _trusted(ids: Sequence[str | None], words: str, hints: list[str]) -> list[str | None]:
    """The ids without those that stand for no id, and without one that is that of most films."""
    real = [None if one is None or _PLACEHOLDER.fullmatch(one) else one for one in ids]
    films = Counter(one for one in real if one is not None)
    named = films.total()
    commonest, count = films.most_common(1)[0] if films else ("", 0)
    if 1 < count == len(ids) or (named >= _FEW and 2 * count > named):
        hints.append(f"one {words} stands in {count:,} of {named:,} films: it distinguishes nobody and was ignored")
        return [None if one == commonest else one for one in real]
    return real
