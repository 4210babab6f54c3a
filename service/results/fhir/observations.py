"""One finding as an Observation: present, absent or not answered, with the figures behind it as components."""

from typing import Final

from schemas.api import DISCLAIMER
from schemas.model.calibration import OperatingPoint
from service.results import codes as terms
from service.results.fhir.datatypes import (
    TERMINOLOGY,
    URI_SYSTEM,
    Resource,
    coding,
    concept,
    instant,
    quantity,
    references,
)
from service.results.fhir.parties import Parties
from service.results.remarks import remarks

# Source: HL7 Terminology, v3-ObservationInterpretation.
_INTERPRETATIONS: Final[dict[terms.FindingDecision, tuple[str, str]]] = {
    "positive": ("POS", "Positive"),
    "negative": ("NEG", "Negative"),
    "indeterminate": ("IND", "Indeterminate"),
}
# Source: HL7 Terminology, data-absent-reason.
_UNKNOWN: Final = ("unknown", "Unknown")
_UNSUPPORTED: Final = ("unsupported", "Unsupported")
_NOT_PERMITTED: Final = ("not-permitted", "Not Permitted")
_ABSENT: Final[dict[str, tuple[str, str]]] = {
    "unclear": _UNKNOWN,
    "unfamiliar": _UNSUPPORTED,
    "not_frontal": _UNSUPPORTED,
    "low_contrast": _UNSUPPORTED,
    "outside_population": _UNSUPPORTED,
    "suspended": _NOT_PERMITTED,
    "silent": _NOT_PERMITTED,
}


def observation(
    parties: Parties, point: OperatingPoint, *, address: str, device: str, selection: str | None
) -> Resource:
    """Write one.

    Args:
        parties: whom it is about.
        point: the finding, and how it was decided.
        address: `urn:uuid:` of the observation, which is its identifier too.
        device: address of the bundle that observed.
        selection: address of the place of the finding on the film; None: there is none.
    """
    record = parties.record
    finding = terms.finding_code(point.finding)
    decision = terms.finding_answer(record, point)[0]
    code, display = _INTERPRETATIONS[decision]
    return {
        "resourceType": "Observation",
        "identifier": [{"system": URI_SYSTEM, "value": address}],
        "status": "preliminary",
        "category": [{"coding": [coding(f"{TERMINOLOGY}/observation-category", "imaging", "Imaging")]}],
        "code": {**concept(finding.code, finding.radlex), "text": point.finding},
        **parties.about(),
        "issued": instant(record),
        **_answer(parties, decision),
        "interpretation": [{"coding": [coding(f"{TERMINOLOGY}/v3-ObservationInterpretation", code, display)]}],
        "note": [{"text": text} for text in (DISCLAIMER, *remarks(record, figures=parties.figures))],
        "method": {"text": f"{record.model.name} {record.model.version}, {record.model.architecture}"},
        "device": {"reference": device},
        "derivedFrom": [parties.study(), *references([] if selection is None else [selection])],
        "component": [*_figures(parties, point), *_statements(parties, point)],
    }


def _answer(parties: Parties, decision: terms.FindingDecision) -> Resource:
    """Present or absent, or why there is no answer; never both (invariant obs-6)."""
    if decision != "indeterminate":
        return {"valueCodeableConcept": concept(terms.PRESENCES[decision])}
    reasons = parties.record.prediction.abstention_reasons
    code, display = next((_ABSENT[reason] for reason in reasons if reason in _ABSENT), _UNKNOWN)
    text = "; ".join(terms.reason_code(reason).meaning for reason in reasons) or "Not clear enough"
    return {"dataAbsentReason": {"coding": [coding(f"{TERMINOLOGY}/data-absent-reason", code, display)], "text": text}}


def _figures(parties: Parties, point: OperatingPoint) -> list[Resource]:
    if not parties.figures:
        return []
    prediction = parties.record.prediction
    probability = prediction.probabilities.get(point.finding)
    distance = prediction.out_of_distribution_score
    figures = [
        *([] if probability is None else [(terms.PROBABILITY, probability)]),
        (terms.THRESHOLD, point.threshold),
        (terms.SENSITIVITY, point.sensitivity.value),
        (terms.SPECIFICITY, point.specificity.value),
        *([] if distance is None else [(terms.DISTANCE, distance)]),
    ]
    return [{"code": concept(name), "valueQuantity": quantity(value)} for name, value in figures]


def _statements(parties: Parties, point: OperatingPoint) -> list[Resource]:
    record = parties.record
    prediction = record.prediction
    reasons = [(terms.REASON, terms.reason_code(reason)) for reason in prediction.abstention_reasons]
    surely = [
        (terms.CONFIDENCE, terms.CONFIDENCES[terms.finding_answer(record, point)[1]]),
        (terms.FAMILIARITY, terms.FAMILIARITIES[prediction.in_distribution]),
    ]
    statements = [*(surely if parties.figures else []), *reasons]
    return [{"code": concept(name), "valueCodeableConcept": concept(code)} for name, code in statements]
