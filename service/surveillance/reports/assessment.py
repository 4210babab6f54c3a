"""A reader's assessment of our results as a DICOM SR, in the manner of IHE AI Results Assessment.

Which content is accepted stands in docs/surveillance.md. The SR must refer to our SR, or to the film itself. An item
whose concept is an assessment has as value that it is accepted, modified or rejected; items below it or beside it name
the finding.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset

from imaging.limits import BoundedReader, DecodeLimits, parsing
from schemas.errors import InvalidImageError
from schemas.monitoring import Presence, VerdictRequest, VerdictWord
from service.dicomweb.instance import FILM_CLASSES
from service.results import codes as terms
from service.surveillance.statements import FilmName, Statement

SR_CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.88.11",  # Basic Text SR
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
)
"""Storage SOP classes in which an assessment may come."""

_DEEPEST: Final = 16
_CODE: Final = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_CONCEPT: Final = "assess"
WORDS: Final[Mapping[str, VerdictWord]] = {
    "accept": "accept",
    "accepted": "accept",
    "agree": "accept",
    "agreed": "accept",
    "confirmed": "accept",
    "modify": "modify",
    "modified": "modify",
    "edited": "modify",
    "reject": "reject",
    "rejected": "reject",
    "disagree": "reject",
    "disagreed": "reject",
}
"""Of the value of an assessment: its code in our scheme 99CXR, or the first word of its meaning in any scheme."""
_INDETERMINATE: Final = (terms.PRESENCES["indeterminate"].value, terms.SNOMED)
_DECISIONS: Final = ((terms.PRESENCE.value, terms.PRESENCE.scheme_designator), ("DECISION", terms.OURS))
"""Concepts of an item that states whether the finding of its group is present: of our SR, and as it was once."""
_PRESENCES: Final[Mapping[tuple[str, str], Presence]] = {
    ("52101004", terms.SNOMED): "present",
    ("10828004", terms.SNOMED): "present",  # Positive, as our own SR said it once
    ("2667000", terms.SNOMED): "absent",
    ("260385009", terms.SNOMED): "absent",
}


def read_assessment(content: bytes, findings: tuple[str, ...]) -> Statement | None:
    """The verdict of an SR; None where it assesses nothing.

    Args:
        content: a DICOM file of one of `SR_CLASSES`.
        findings: of the bundles that serve: their codes name what was assessed.

    Raises:
        InvalidImageError: it refers to no film or to several, or does not say what is right.
    """
    with parsing("DICOM SR"):
        document = dcmread(BoundedReader(content, DecodeLimits().max_reads))
        assessed = list(_assessed(document, findings, None))
        corrected = {name: presence for name, presence in _presences(document, findings) if name is not None}
    if not assessed:
        return None
    film = _film(document)
    words = {word for word, _ in assessed}
    names = tuple(dict.fromkeys(name for word, name in assessed if name is not None and word != "modify"))
    word: VerdictWord = "modify" if len(words) > 1 else next(iter(words))
    rejected = {name for each, name in assessed if each == "reject"}
    if word == "modify" and (not corrected or (len(words) > 1 and not rejected <= corrected.keys())):
        msg = "the SR modifies results, or rejects some of several, and does not state which findings are present"
        raise InvalidImageError(msg)
    told = {} if word == "accept" else corrected
    kept = tuple(name for name in names if name not in told) if word == "modify" else names
    return Statement(film, "sr", request=VerdictRequest(verdict=word, findings=kept, corrected=told))


def _assessed(
    item: Dataset, findings: tuple[str, ...], finding: str | None, depth: int = 0
) -> Iterator[tuple[VerdictWord, str | None]]:
    """Each assessment with the finding of its group; None: of the whole answer."""
    items = _items(item, depth)
    finding = next((name for each in items if (name := _named(each, findings)) is not None), finding)
    for each in items:
        word = _word(each)
        if word is not None:
            yield word, next((name for below in _items(each, depth) if (name := _named(below, findings))), finding)
        else:
            yield from _assessed(each, findings, finding, depth + 1)


def _presences(
    item: Dataset, findings: tuple[str, ...], finding: str | None = None, depth: int = 0
) -> Iterator[tuple[str | None, Presence]]:
    """What is stated to be present or absent: the value of an item whose concept is the finding, or its decision."""
    items = _items(item, depth)
    finding = next((name for each in items if (name := _named(each, findings)) is not None), finding)
    for each in items:
        presence = _PRESENCES.get(_code(each, "ConceptCodeSequence")[:2])
        concept = _code(each, "ConceptNameCodeSequence")
        if presence is not None:
            yield (finding if concept[:2] in _DECISIONS else _finding(concept, findings)), presence
        yield from _presences(each, findings, finding, depth + 1)


def _word(item: Dataset) -> VerdictWord | None:
    concept = _code(item, "ConceptNameCodeSequence")
    if _CONCEPT not in concept[2].casefold() and concept[:2] != ("ASSESSMENT", terms.OURS):
        return None
    value, scheme, meaning = _code(item, "ConceptCodeSequence")
    told = value if scheme == terms.OURS else next(iter(meaning.split()), "")
    return WORDS.get(told.casefold())


def _named(item: Dataset, findings: tuple[str, ...]) -> str | None:
    """The finding that an item `Finding` names, or of which an item states the presence, as our own SR does both."""
    concept = _code(item, "ConceptNameCodeSequence")
    if _code(item, "ConceptCodeSequence")[:2] in (*_PRESENCES, _INDETERMINATE):
        return _finding(concept, findings)
    if concept[:2] != (terms.FINDING.value, terms.DICOM):
        return None
    return _finding(_code(item, "ConceptCodeSequence"), findings)


def _finding(code: tuple[str, str, str], findings: tuple[str, ...]) -> str | None:
    for name in findings:
        known = terms.finding_code(name)
        codes = [each for each in (known.code, known.radlex) if each is not None]
        if code[:2] in [(each.value, each.scheme_designator) for each in codes]:
            return name
    return None


def _film(document: Dataset) -> FilmName:
    references = set(_references(document))
    films = {uid for sop_class, uid in references if sop_class in FILM_CLASSES}
    reports = {uid for sop_class, uid in references if sop_class in SR_CLASSES}
    if len(films) == 1:
        return FilmName(sop_instance_uid=films.pop())
    if not films and len(reports) == 1:
        return FilmName(report_instance_uid=reports.pop())
    msg = f"the SR refers to {len(films)} films and {len(reports)} reports; it has to refer to one film, or to our SR"
    raise InvalidImageError(msg)


def _references(item: Dataset, depth: int = 0) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        return
    if "ReferencedSOPInstanceUID" in item:
        yield str(item.get("ReferencedSOPClassUID", "")), str(item.ReferencedSOPInstanceUID)
    for keyword in (
        "ContentSequence",
        "ReferencedSOPSequence",
        "ReferencedSeriesSequence",
        "CurrentRequestedProcedureEvidenceSequence",
        "PertinentOtherEvidenceSequence",
        "PredecessorDocumentsSequence",
    ):
        for each in item.get(keyword) or ():
            yield from _references(each, depth + 1)


def _items(item: Dataset, depth: int) -> list[Dataset]:
    return list(item.get("ContentSequence") or ()) if depth <= _DEEPEST else []


def _code(item: Dataset, keyword: str) -> tuple[str, str, str]:
    """Value, scheme and meaning; empty where there is none."""
    coded = next(iter(item.get(keyword) or ()), None)
    if coded is None:
        return "", "", ""
    value, scheme, meaning = (str(coded.get(name, "")) for name in _CODE)
    return value, scheme, meaning
