"""An analysis as one Bundle: a collection to be read, or a transaction that a server carries out.

Source: HL7 FHIR 4.0.1 and 5.0.0, Bundle; http.html, "Conditional create" (ifNoneExist) and "Conditional update".
"""

from collections.abc import Mapping
from urllib.parse import quote

from schemas.analysis import AnalysisRecord
from service.results.fhir.datatypes import Resource, instant, uid_identifier, without_empty
from service.results.fhir.device import device
from service.results.fhir.observations import observation
from service.results.fhir.parties import Parties, PatientBy
from service.results.fhir.report import diagnostic_report
from service.results.fhir.selection import imaging_selection
from service.results.fhir.versions import FhirVersion
from service.results.messages.context import FilmContext
from service.results.messages.statements import shows_figures
from service.results.uids import derived_uuid


def collection(record: AnalysisRecord, version: FhirVersion = "5.0") -> Resource:
    """Everything that the record holds, figures and all; no patient, for the record has none.

    JSON-ready, and the same for the same record.
    """
    resources = _resources(Parties(record, version))
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": uid_identifier(record.sop_instance_uid),
        "timestamp": instant(record),
        "entry": [
            {"fullUrl": address, "resource": {**resource, "id": address.removeprefix("urn:uuid:")}}
            for address, resource in resources.items()
        ],
    }


def transaction(
    record: AnalysisRecord,
    context: FilmContext,
    version: FhirVersion = "4.0",
    *,
    patient_system: str | None = None,
    patient_by: PatientBy = "identifier",
) -> Resource:
    """What a server is to have of the film, with its patient; a second attempt adds nothing.

    Where archives get the short report, figures are not in it.

    Args:
        record: the analysis.
        context: what the header states.
        version: of the server.
        patient_system: see `Parties`.
        patient_by: see `Parties`.
    """
    parties = Parties(record, version, context, shows_figures(record), patient_system, patient_by)
    resources = _resources(parties)
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": instant(record),
        "entry": [
            {"fullUrl": address, "resource": resource, "request": _request(resource)}
            for address, resource in resources.items()
        ],
    }


def _resources(parties: Parties) -> Mapping[str, Resource]:
    """By their addresses, which are the same whenever this bundle analyses this film."""
    record = parties.record
    made_by = derived_uuid(record.model.sha256, "FHIR", "Device").urn
    points = {_address(parties, "Observation", point.finding): point for point in record.operating_points}
    explained = record.explanation if parties.version == "5.0" else None
    place = None if explained is None else _address(parties, "ImagingSelection")
    report = _address(parties, "DiagnosticReport")
    resources = {
        report: diagnostic_report(parties, address=report, observations=list(points)),
        **{
            address: observation(
                parties,
                point,
                address=address,
                device=made_by,
                selection=place if explained is not None and explained.finding == point.finding else None,
            )
            for address, point in points.items()
        },
        made_by: device(record, parties.version),
    }
    if explained is not None and place is not None:
        resources[place] = imaging_selection(parties, explained, address=place, device=made_by)
    return {address: without_empty(resource) for address, resource in resources.items()}


def _request(resource: Resource) -> Resource:
    """The device is created where it is not there; the others are written in the place of those of an earlier analysis.

    A film that is corrected has the same names, so its report replaces the wrong one.
    """
    kind = resource["resourceType"]
    name = resource["identifier"][-1]
    query = f"identifier={quote(name['system'], safe=':/')}|{quote(name['value'], safe=':/')}"
    if kind == "Device":
        return {"method": "POST", "url": kind, "ifNoneExist": query}
    return {"method": "PUT", "url": f"{kind}?{query}"}


def _address(parties: Parties, *kind: str) -> str:
    return derived_uuid(parties.record.sop_instance_uid, parties.record.model.sha256, "FHIR", *kind).urn
