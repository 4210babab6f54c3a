"""The report on a film as a DiagnosticReport, in the shape of US Core's profile for reports and notes.

Source: HL7 FHIR 4.0.1 and 5.0.0, DiagnosticReport; US Core 8.0.0, us-core-diagnosticreport-note. It has no performer:
FHIR allows people and organizations there, and none of them has read the film; the Device stands in the Observations.
"""

import base64
from typing import Final

from schemas.analysis import AnalysisRecord
from service.results import codes as terms
from service.results.fhir.datatypes import (
    LOINC,
    TERMINOLOGY,
    URI_SYSTEM,
    Resource,
    coding,
    concept,
    instant,
    references,
    uid_identifier,
)
from service.results.fhir.parties import Parties
from service.results.messages.statements import SINGLE_VIEW, conclusion_of, findings_of
from service.results.structured_report import report_uid

_CATEGORIES: Final = (
    (f"{TERMINOLOGY}/v2-0074", "RAD", "Radiology"),
    (LOINC, "LP29684-5", "Radiology"),  # the slice that US Core asks for
)


def diagnostic_report(parties: Parties, *, address: str, observations: list[str]) -> Resource:
    """Write it.

    Args:
        parties: whom it is about.
        address: `urn:uuid:` of the report.
        observations: addresses of its observations.
    """
    record = parties.record
    conclusion = conclusion_of(record, figures=parties.figures)
    study = parties.study()
    contained: list[Resource] = []
    if parties.context is not None:
        contained = [_study(parties)]
        study = {"reference": "#study", **study}
    return {
        "resourceType": "DiagnosticReport",
        **({"contained": contained} if contained else {}),
        "identifier": [uid_identifier(report_uid(record)), {"system": URI_SYSTEM, "value": address}],
        "status": "preliminary",
        "category": [{"coding": [coding(*category)]} for category in _CATEGORIES],
        "code": _code(parties),
        **parties.about(),
        "issued": instant(record),
        "imagingStudy" if parties.version == "4.0" else "study": [study],
        "result": references(observations),
        "conclusion": conclusion,
        "presentedForm": [_as_text(record, conclusion)],
    }


def _code(parties: Parties) -> Resource:
    """What was ordered, where the header has it in LOINC; else what was read."""
    ordered = None if parties.context is None else parties.context.procedure
    value, meaning, _ = ordered or SINGLE_VIEW
    film = concept(terms.CHEST_FILM)["coding"]
    code = {"system": LOINC, "code": value, **({"display": meaning} if meaning else {})}
    return {"coding": [code, *film]}


def _study(parties: Parties) -> Resource:
    """The study as far as the film shows it; contained, for the study itself is not ours to write."""
    record = parties.record
    modality = "" if parties.context is None else parties.context.modality
    code = {"system": terms.SYSTEMS["DCM"], "code": modality or "DX"}
    sop_class = {"system": URI_SYSTEM, "code": f"urn:oid:{record.sop_class_uid}"}
    return {
        "resourceType": "ImagingStudy",
        "id": "study",
        "identifier": [uid_identifier(record.study_instance_uid)],
        "status": "available",
        "subject": parties.subject(),
        "series": [
            {
                "uid": record.series_instance_uid,
                "modality": code if parties.version == "4.0" else {"coding": [code]},
                "instance": [{"uid": record.sop_instance_uid, "sopClass": sop_class}],
            }
        ],
    }


def _as_text(record: AnalysisRecord, conclusion: str) -> Resource:
    text = "\n".join((*findings_of(record), conclusion))
    return {
        "contentType": "text/plain; charset=utf-8",
        "language": "en",
        "data": base64.b64encode(text.encode()).decode("ascii"),
        "title": "Preliminary findings of software, read by nobody",
    }
