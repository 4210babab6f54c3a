"""A workitem in the DICOM JSON model: what this performer reads of it, and whether it is meant for it; pure.

Source: DICOM PS3.18 annex F (the model), PS3.3 C.30.2 (what is scheduled), PS3.3 table 10-3b (references).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from schemas.errors import WorklistUnreachableError
from service.dicomweb.instance import FILM_CLASSES
from service.settings import CodedName, WorklistSettings

SOP_INSTANCE_UID: Final = "00080018"
STATE: Final = "00741000"
PRIORITY: Final = "00741200"
WORKLIST_LABEL: Final = "00741202"
STEP_LABEL: Final = "00741204"
READINESS: Final = "00404041"
STATIONS: Final = "00404025"
CODES: Final = "00404018"
INPUTS: Final = "00404021"
CODE_VALUE: Final = "00080100"
CODE_SCHEME: Final = "00080102"
CODE_MEANING: Final = "00080104"
STUDY: Final = "0020000D"
SERIES: Final = "0020000E"
REFERENCES: Final = "00081199"
REFERENCED_CLASS: Final = "00081150"
REFERENCED_INSTANCE: Final = "00081155"

SCHEDULED: Final = "SCHEDULED"
IN_PROGRESS: Final = "IN PROGRESS"
FINAL_STATES: Final = ("COMPLETED", "CANCELED")
READY: Final = "READY"
HIGH: Final = "HIGH"

_UID: Final = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class FilmReference:
    """A film that a workitem names."""

    study: str
    series: str
    instance: str


@dataclass(frozen=True, slots=True)
class Workitem:
    """A Unified Procedure Step."""

    uid: str
    state: str
    is_urgent: bool
    is_ready: bool
    """Whether its input is where it says."""
    label: str
    step_label: str
    stations: tuple[CodedName, ...]
    codes: tuple[CodedName, ...]
    films: tuple[FilmReference, ...]
    """CR and DX images among its inputs; each once."""
    others: int
    """Inputs of other kinds."""

    def is_meant_for(self, settings: WorklistSettings) -> bool:
        """Whether it is what the settings name; asked here too, for a server may not know a filter and ignore it."""
        return (
            _names(self.stations, settings.station)
            and _names(self.codes, settings.code)
            and settings.label in (None, self.label)
            and settings.step_label in (None, self.step_label)
        )


def workitem_of(dataset: Any) -> Workitem:
    """Read one.

    Raises:
        WorklistUnreachableError: it has no UID or no state, and cannot be a workitem.
    """
    uid = _text(dataset, SOP_INSTANCE_UID)
    state = _text(dataset, STATE)
    if _UID.fullmatch(uid) is None or not state:
        msg = "the worklist gave something that is not a workitem; check CXR_WORKLIST_URL"
        raise WorklistUnreachableError(msg)
    references = dict.fromkeys(_references(dataset))
    return Workitem(
        uid=uid,
        state=state,
        is_urgent=_text(dataset, PRIORITY) == HIGH,
        is_ready=_text(dataset, READINESS) == READY,
        label=_text(dataset, WORKLIST_LABEL),
        step_label=_text(dataset, STEP_LABEL),
        stations=tuple(map(_coded, items_of(dataset, STATIONS))),
        codes=tuple(map(_coded, items_of(dataset, CODES))),
        films=tuple(film for sop_class, film in references if sop_class in FILM_CLASSES),
        others=sum(sop_class not in FILM_CLASSES for sop_class, _ in references),
    )


def items_of(dataset: Any, tag: str) -> list[Any]:
    """The items of a sequence, or the values of an attribute; none where it is absent, empty or malformed."""
    element = dataset.get(tag) if isinstance(dataset, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _references(dataset: Any) -> Iterator[tuple[str, FilmReference]]:
    for level in items_of(dataset, INPUTS):
        for item in items_of(level, REFERENCES):
            film = FilmReference(_text(level, STUDY), _text(level, SERIES), _text(item, REFERENCED_INSTANCE))
            if all(_UID.fullmatch(uid) for uid in (film.study, film.series, film.instance)):  # they make an address
                yield _text(item, REFERENCED_CLASS), film


def _names(there: tuple[CodedName, ...], wanted: CodedName | None) -> bool:
    return wanted is None or wanted[:2] in [code[:2] for code in there]


def _coded(item: Any) -> CodedName:
    return CodedName(_text(item, CODE_VALUE), _text(item, CODE_SCHEME), _text(item, CODE_MEANING))


def _text(dataset: Any, tag: str) -> str:
    value = next(iter(items_of(dataset, tag)), "")
    return value.strip("\0 ") if isinstance(value, str) else ""
