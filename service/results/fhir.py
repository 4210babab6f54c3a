"""An analysis as HL7 FHIR R5: a Bundle of a DiagnosticReport, its Observations and the Device that made them.

No patient: the study is named by its UID, from which the system that holds the study knows whose it is.

Source: HL7 FHIR 5.0.0; the imaging study as an identifier, not an address: ImagingStudy.identifier.
"""

from typing import Any, Final

from pydicom.sr.coding import Code

from schemas.analysis import AnalysisRecord
from schemas.api import DISCLAIMER
from schemas.model.calibration import OperatingPoint
from service.results import codes as terms
from service.results.contributor import device_uid
from service.results.remarks import remarks
from service.results.source import MANUFACTURER
from service.results.structured_report import report_uid
from service.results.uids import derived_uuid

Resource = dict[str, Any]

# Source: HL7 Terminology, v3-ObservationInterpretation.
_INTERPRETATIONS: Final[dict[terms.FindingDecision, tuple[str, str]]] = {
    "positive": ("POS", "Positive"),
    "negative": ("NEG", "Negative"),
    "indeterminate": ("IND", "Indeterminate"),
}


def fhir_bundle(record: AnalysisRecord) -> Resource:
    """Write the bundle: JSON-ready, and the same for the same record."""
    device = derived_uuid(record.model.sha256, "FHIR", "Device").urn
    observations = {_address(record, "Observation", point.finding): point for point in record.operating_points}
    resources = {
        _address(record, "DiagnosticReport"): _report(record, list(observations)),
        **{address: _observation(record, point, device) for address, point in observations.items()},
        device: _device(record),
    }
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": _uid_identifier(record.sop_instance_uid),
        "timestamp": _instant(record),
        "entry": [
            {"fullUrl": address, "resource": {**resource, "id": address.removeprefix("urn:uuid:")}}
            for address, resource in resources.items()
        ],
    }


def _report(record: AnalysisRecord, observations: list[str]) -> Resource:
    prediction = record.prediction
    return {
        "resourceType": "DiagnosticReport",
        "identifier": [_uid_identifier(report_uid(record))],
        "status": "preliminary",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
                        "code": "RAD",
                        "display": "Radiology",
                    }
                ]
            }
        ],
        "code": _concept(terms.CHEST_FILM),
        "issued": _instant(record),
        "study": [_study(record)],
        "result": [{"reference": address} for address in observations],
        "conclusion": f"{prediction.recommendation} {DISCLAIMER}",
    }


def _observation(record: AnalysisRecord, point: OperatingPoint, device: str) -> Resource:
    finding = terms.finding_code(point.finding)
    code, display = _INTERPRETATIONS[terms.finding_answer(record, point)[0]]
    system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
    return {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "imaging",
                        "display": "Imaging",
                    }
                ]
            }
        ],
        "code": {**_concept(finding.code, finding.radlex), "text": f"Probability of {point.finding}"},
        "issued": _instant(record),
        "valueQuantity": _quantity(record.prediction.probabilities[point.finding]),
        "interpretation": [{"coding": [{"system": system, "code": code, "display": display}]}],
        "note": [{"text": text} for text in (DISCLAIMER, *remarks(record))],
        "method": {"text": f"{record.model.name} {record.model.version}, {record.model.architecture}"},
        "device": {"reference": device},
        "derivedFrom": [_study(record)],
        "component": _components(record, point),
    }


def _components(record: AnalysisRecord, point: OperatingPoint) -> list[Resource]:
    prediction = record.prediction
    figures = [
        (terms.THRESHOLD, point.threshold),
        (terms.SENSITIVITY, point.sensitivity.value),
        (terms.SPECIFICITY, point.specificity.value),
    ]
    statements = [
        (terms.CONFIDENCE, terms.CONFIDENCES[terms.finding_answer(record, point)[1]]),
        (terms.FAMILIARITY, terms.FAMILIARITIES[prediction.in_distribution]),
        *((terms.REASON, terms.reason_code(reason)) for reason in prediction.abstention_reasons),
    ]
    distance = prediction.out_of_distribution_score
    distances = [] if distance is None else [(terms.DISTANCE, distance)]
    return [
        *({"code": _concept(name), "valueQuantity": _quantity(value)} for name, value in figures),
        *({"code": _concept(name), "valueCodeableConcept": _concept(code)} for name, code in statements),
        *({"code": _concept(name), "valueQuantity": _quantity(value)} for name, value in distances),
    ]


def _device(record: AnalysisRecord) -> Resource:
    model = record.model
    return {
        "resourceType": "Device",
        "identifier": [
            _uid_identifier(device_uid(record)),
            {"system": "urn:ietf:rfc:3986", "value": f"urn:cxr:sha256:{model.sha256}"},
        ],
        "manufacturer": MANUFACTURER,
        "name": [{"value": model.name, "type": "user-friendly-name", "display": True}],
        "modelNumber": model.architecture,
        "version": [
            {"type": {"text": "bundle"}, "value": model.version},
            {"type": {"text": "software"}, "value": record.software_version},
        ],
        "note": [{"text": DISCLAIMER}],
    }


def _study(record: AnalysisRecord) -> Resource:
    return {"type": "ImagingStudy", "identifier": _uid_identifier(record.study_instance_uid)}


def _uid_identifier(uid: str) -> Resource:
    """Source: FHIR ImagingStudy.identifier, a DICOM UID as `urn:oid` in the system `urn:dicom:uid`."""
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}


def _concept(*codes: Code | None) -> Resource:
    return {
        "coding": [
            {"system": terms.SYSTEMS[code.scheme_designator], "code": code.value, "display": code.meaning}
            for code in codes
            if code is not None
        ]
    }


def _quantity(value: float) -> Resource:
    return {"value": round(value, 6), "system": terms.SYSTEMS["UCUM"], "code": "1"}


def _instant(record: AnalysisRecord) -> str:
    return record.analysed_at.isoformat(timespec="milliseconds")


def _address(record: AnalysisRecord, *kind: str) -> str:
    return derived_uuid(record.sop_instance_uid, record.model.sha256, "FHIR", *kind).urn
