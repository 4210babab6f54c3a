"""One record of the audit log as an ATNA message; pure. It names a study where the record does, never a patient.

Source: DICOM PS3.15 A.5.1 (schema), A.5.3 (messages), PS3.16 CID 400 to 405 (codes); RFC 3881 5.
"""

import base64
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Coded = tuple[str, str, str]
"""Code, code system and its words."""
Element = ET.Element


def _dcm(code: str, words: str) -> Coded:
    return code, "DCM", words


APPLICATION_ACTIVITY: Final = _dcm("110100", "Application Activity")
INSTANCES_ACCESSED: Final = _dcm("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED: Final = _dcm("110104", "DICOM Instances Transferred")
EXPORT: Final = _dcm("110106", "Export")
QUERY: Final = _dcm("110112", "Query")
SECURITY_ALERT: Final = _dcm("110113", "Security Alert")
USER_AUTHENTICATION: Final = _dcm("110114", "User Authentication")
APPLICATION: Final = _dcm("110150", "Application")
DESTINATION: Final = _dcm("110152", "Destination Role ID")
SOURCE: Final = _dcm("110153", "Source Role ID")
STUDY_UID: Final = _dcm("110180", "Study Instance UID")


@dataclass(frozen=True, slots=True)
class Meaning:
    """Which message an event becomes."""

    event: Coded
    action: str
    """C, R, U, D or E. Source: RFC 3881 5.1.2."""
    kind: Coded | None = None


MEANINGS: Final[Mapping[str, Meaning]] = {
    "started": Meaning(APPLICATION_ACTIVITY, "E", _dcm("110120", "Application Start")),
    "stopped": Meaning(APPLICATION_ACTIVITY, "E", _dcm("110121", "Application Stop")),
    "resumed": Meaning(SECURITY_ALERT, "E", _dcm("110134", "Audit Recording Started")),
    "film": Meaning(INSTANCES_ACCESSED, "R"),
    "stored": Meaning(INSTANCES_TRANSFERRED, "C"),
    "analysed": Meaning(INSTANCES_ACCESSED, "R"),
    "delivered": Meaning(EXPORT, "R"),
    "query": Meaning(QUERY, "E"),
    "read": Meaning(INSTANCES_ACCESSED, "R"),
    "verdict": Meaning(INSTANCES_ACCESSED, "U"),
    "refusal": Meaning(USER_AUTHENTICATION, "E", _dcm("110122", "Login")),
    **dict.fromkeys(
        ("action", "limits", "suspended", "lifted", "acceptance", "profile"),
        Meaning(SECURITY_ALERT, "E", _dcm("110131", "Software Configuration")),
    ),
}
"""By the event of the record; every event of `service.audit.record` has its row."""
_RESTRICTED: Final = Meaning(SECURITY_ALERT, "E", _dcm("110132", "Use of Restricted Function"))
_SUCCESSES: Final = ("ok", "begun", "new", "known")


def message(record: Mapping[str, Any], *, source: str, site: str | None, host: str) -> bytes:
    """The message of a record.

    Args:
        record: a line of the audit log, decoded.
        source: AuditSourceID.
        site: AuditEnterpriseSiteID; None: none.
        host: name or address of this machine.

    Returns:
        XML in UTF-8 without a declaration, as the payload of a syslog message.
    """
    meaning = _meaning(record)
    root = Element("AuditMessage")
    outcome = str(record.get("outcome", "ok"))
    identification = ET.SubElement(
        root,
        "EventIdentification",
        EventActionCode="R" if (record["event"], outcome) == ("stored", "known") else meaning.action,
        EventDateTime=str(record["at"]),
        EventOutcomeIndicator="0" if outcome in _SUCCESSES else "4",
    )
    _coded(identification, "EventID", meaning.event)
    if meaning.kind is not None:
        _coded(identification, "EventTypeCode", meaning.kind)
    if outcome not in _SUCCESSES:
        ET.SubElement(identification, "EventOutcomeDescription").text = outcome
    _participants(root, record, meaning.event, (source, host))
    attributes = {"AuditSourceID": source} | ({} if site is None else {"AuditEnterpriseSiteID": site})
    audit_source = ET.SubElement(root, "AuditSourceIdentification", attributes)
    ET.SubElement(audit_source, "AuditSourceTypeCode", {"csd-code": "4"})  # an application server process
    _objects(root, record, meaning.event)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=False)
    return content


def _meaning(record: Mapping[str, Any]) -> Meaning:
    event = str(record["event"])
    if event == "refusal" and record.get("outcome") == "forbidden":  # a known caller, beyond its scope
        return _RESTRICTED
    if event == "delivered" and record.get("destination") == "pacs":
        return Meaning(INSTANCES_TRANSFERRED, "C")
    return MEANINGS[event]


def _participants(root: Element, record: Mapping[str, Any], event: Coded, own: tuple[str, str]) -> None:
    """The caller, and the service itself; who of them sends data and who gets it, where the template asks for it."""
    delivers = record["event"] == "delivered"
    caller_role: Coded | None = None
    own_role: Coded = APPLICATION
    if event in (INSTANCES_TRANSFERRED, QUERY, EXPORT):
        caller_role, own_role = (DESTINATION, SOURCE) if delivers else (SOURCE, DESTINATION)
    caller = str(record.get("destination", "unknown") if delivers else record["caller"])
    if caller != "service":
        asks = "false" if delivers else "true"
        participant = {"UserID": caller, "UserIsRequestor": asks} | _access_point(record.get("address"))
        _role(ET.SubElement(root, "ActiveParticipant", participant), caller_role)
    name, host = own
    asks = "true" if caller == "service" or delivers else "false"
    participant = {"UserID": name, "AlternativeUserID": f"cxr {record.get('software', '')}", "UserIsRequestor": asks}
    _role(ET.SubElement(root, "ActiveParticipant", participant | _access_point(host)), own_role)


def _role(participant: Element, role: Coded | None) -> None:
    if role is not None:
        _coded(participant, "RoleIDCode", role)


def _access_point(address: object) -> dict[str, str]:
    """Where somebody is in the network: 2 for an address, 1 for a name. Source: RFC 3881 5.3."""
    if not isinstance(address, str) or not address:
        return {}
    is_number = address.replace(".", "").isdigit() or ":" in address
    return {"NetworkAccessPointID": address, "NetworkAccessPointTypeCode": "2" if is_number else "1"}


def _objects(root: Element, record: Mapping[str, Any], event: Coded) -> None:
    if event == QUERY:
        query = base64.b64encode(str(record.get("route", "")).encode()).decode("ascii")
        told = ("ParticipantObjectQuery", query)
        _object(root, ("/results", "24"), ("12", "RFC-3881", "URI"), told, record)
        return
    if (study := record.get("study_instance_uid")) is not None:
        _object(root, (str(study), "3"), STUDY_UID, ("ParticipantObjectName", "study"), record)
    elif (digest := record.get("film_sha256")) is not None:
        identity = (f"urn:sha256:{digest}", "3")
        _object(root, identity, ("12", "RFC-3881", "URI"), ("ParticipantObjectName", "film"), record)
    elif event == SECURITY_ALERT:
        identity = (str(record.get("route") or record["event"]), "13")  # 13: a security resource
        told = ("ParticipantObjectName", str(record["event"]))
        _object(root, identity, ("12", "RFC-3881", "URI"), told, record)


def _object(
    root: Element, identity: tuple[str, str], kind: Coded, named: tuple[str, str], record: Mapping[str, Any]
) -> None:
    participant = ET.SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=identity[0],
        ParticipantObjectTypeCode="2",
        ParticipantObjectTypeCodeRole=identity[1],
    )
    _coded(participant, "ParticipantObjectIDTypeCode", kind)
    ET.SubElement(participant, named[0]).text = named[1]
    for name in ("film_sha256", "model_sha256", "content_sha256", "limits_sha256", "request_id"):
        if record.get(name) is not None:
            value = base64.b64encode(str(record[name]).encode()).decode("ascii")
            ET.SubElement(participant, "ParticipantObjectDetail", type=name, value=value)


def _coded(parent: Element, name: str, coded: Coded) -> None:
    code, system, words = coded
    ET.SubElement(parent, name, {"csd-code": code, "codeSystemName": system, "originalText": words})
