"""A final report as FHIR, R4 or R5: a DiagnosticReport, alone or in a Bundle with its Observations.

Source: HL7 FHIR 4.0.1 and 5.0.0, DiagnosticReport; identifiers of type ACSN: HL7 v2 table 0203.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from schemas.errors import InvalidParameterError
from service.surveillance.reports.rules import INTERPRETATIONS, ReportRules
from service.surveillance.statements import FilmName, Statement

FINAL: Final = ("final", "amended", "corrected", "appended")
_UID: Final = "urn:oid:"

Resource = dict[str, Any]


def read_fhir(content: bytes, rules: ReportRules) -> list[Statement]:
    """What a report states of the films of its study.

    Raises:
        InvalidParameterError: it is not a final DiagnosticReport that names its study.
    """
    resources = list(_resources(content))
    reports = [each for each in resources if each.get("resourceType") == "DiagnosticReport"]
    if len(reports) != 1:
        msg = f"the body holds {len(reports)} resources DiagnosticReport; send one report at a time"
        raise InvalidParameterError(msg)
    (report,) = reports
    if report.get("status") not in FINAL:
        msg = f"the report is not final; its status has to be one of {', '.join(FINAL)}"
        raise InvalidParameterError(msg)
    texts = [text for key in ("conclusion",) if isinstance(text := report.get(key), str)]
    codes = [code for concept in _list(report.get("conclusionCode")) for code in _codes(concept)]
    observations = [each for each in resources if each.get("resourceType") == "Observation"]
    truth = rules.truth(texts, codes) | _observed(observations, rules)
    return [Statement(_film(report), "report", truth=truth)]


def _resources(content: bytes) -> Iterator[Resource]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        msg = "the body is not JSON; send a FHIR DiagnosticReport as application/fhir+json"
        raise InvalidParameterError(msg) from error
    outer = [body] if isinstance(body, dict) else []
    entries = [entry.get("resource") for each in outer for entry in _list(each.get("entry")) if isinstance(entry, dict)]
    for resource in (*outer, *entries):
        if isinstance(resource, dict):
            yield resource
            yield from (each for each in _list(resource.get("contained")) if isinstance(each, dict))


def _observed(observations: list[Resource], rules: ReportRules) -> dict[str, Any]:
    """An observation whose code is that of a finding, and whether it is positive."""
    truth = {}
    for each in observations:
        codes = set(_codes(each.get("code")))
        words = [code for concept in _list(each.get("interpretation")) for _, code in _codes(concept)]
        known = [INTERPRETATIONS[word] for word in words if word in INTERPRETATIONS]
        positive = each.get("valueBoolean") if isinstance(each.get("valueBoolean"), bool) else next(iter(known), None)
        for rule in rules.rules:
            if positive is not None and any((code.system, code.code) in codes for code in rule.codes):
                truth[rule.finding] = rule.presence if positive else _other(rule.presence)
    return truth


def _other(presence: str) -> str:
    return "absent" if presence == "present" else "present"


def _film(report: Resource) -> FilmName:
    references = [*_list(report.get("study")), *_list(report.get("imagingStudy"))]
    references += _list(report.get("basedOn"))
    identifiers = [each.get("identifier") for each in references if isinstance(each, dict)]
    identifiers += _list(report.get("identifier"))
    known = [each for each in identifiers if isinstance(each, dict) and isinstance(each.get("value"), str)]
    for each in known:
        if each.get("system") == "urn:dicom:uid":
            return FilmName(study_instance_uid=each["value"].removeprefix(_UID))
    for each in known:
        if any(code == "ACSN" for _, code in _codes(each.get("type"))):
            return FilmName(accession_number=each["value"])
    msg = (
        "the report names no study: give study (R5) or imagingStudy (R4) an identifier of the system urn:dicom:uid, or "
        "the report or its basedOn one of type ACSN"
    )
    raise InvalidParameterError(msg)


def _codes(concept: object) -> list[tuple[str, str]]:
    codings = _list(concept.get("coding")) if isinstance(concept, dict) else []
    return [(str(each.get("system", "")), str(each.get("code", ""))) for each in codings if isinstance(each, dict)]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
