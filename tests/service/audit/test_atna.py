"""Rules of the messages that a hospital's audit repository gets."""

import base64
import xml.etree.ElementTree as ET
from typing import get_args

import pytest

from service.audit.hospital.atna import MEANINGS, message
from service.audit.hospital.syslog_tls import frame
from service.audit.record import Event

LINE = {
    "at": "2026-11-29T12:00:00.123456Z",
    "sequence": 7,
    "software": "0.2.0",
    "caller": "key:0123456789ab",
    "address": "10.0.0.5",
    "route": "/predict",
}
STUDY = "1.2.826.0.1"


def parsed(**record):
    return ET.fromstring(message(LINE | record, source="CXR-1", site="North", host="cxr-host"))


def codes(root, path):
    return [element.get("csd-code") for element in root.iterfind(path)]


@pytest.mark.parametrize("event", get_args(Event))
def test_every_event_is_a_message_with_the_parts_that_the_schema_demands(event) -> None:
    root = parsed(event=event)

    assert root.tag == "AuditMessage"
    names = [child.tag for child in root]
    assert names[0] == "EventIdentification"
    assert names[1] == "ActiveParticipant"
    assert names.index("AuditSourceIdentification") > names.index("ActiveParticipant")
    assert set(names[names.index("AuditSourceIdentification") + 1 :]) <= {"ParticipantObjectIdentification"}
    identification = root.find("EventIdentification")
    assert identification.get("EventDateTime") == LINE["at"]
    assert identification.get("EventActionCode") in "CRUDE"
    assert identification.get("EventOutcomeIndicator") == "0"
    for element in root.iter():
        if element.get("csd-code") and element.tag != "AuditSourceTypeCode":
            assert element.get("codeSystemName")
            assert element.get("originalText")
    assert root.find("AuditSourceIdentification").attrib == {"AuditSourceID": "CXR-1", "AuditEnterpriseSiteID": "North"}


def test_the_table_has_every_event_and_no_other() -> None:
    assert set(MEANINGS) == set(get_args(Event))


@pytest.mark.parametrize(
    ("record", "event", "kind", "action", "outcome"),
    [
        ({"event": "started", "caller": "service"}, "110100", ["110120"], "E", "0"),
        ({"event": "stopped", "caller": "service"}, "110100", ["110121"], "E", "0"),
        ({"event": "refusal", "outcome": "unauthenticated"}, "110114", ["110122"], "E", "4"),
        ({"event": "refusal", "outcome": "forbidden"}, "110113", ["110132"], "E", "4"),
        ({"event": "stored", "outcome": "new"}, "110104", [], "C", "0"),
        ({"event": "stored", "outcome": "known"}, "110104", [], "R", "0"),
        ({"event": "stored", "outcome": "other_content"}, "110104", [], "C", "4"),
        ({"event": "film"}, "110103", [], "R", "0"),
        ({"event": "read"}, "110103", [], "R", "0"),
        ({"event": "query"}, "110112", [], "E", "0"),
        ({"event": "delivered", "caller": "service", "destination": "pacs"}, "110104", [], "C", "0"),
        ({"event": "delivered", "caller": "service", "destination": "duty"}, "110106", [], "R", "0"),
        ({"event": "lifted"}, "110113", ["110131"], "E", "0"),
    ],
)
def test_each_event_has_its_code(record, event, kind, action, outcome) -> None:
    root = parsed(**record)
    identification = root.find("EventIdentification")

    assert codes(root, "EventIdentification/EventID") == [event]
    assert codes(root, "EventIdentification/EventTypeCode") == kind
    assert (identification.get("EventActionCode"), identification.get("EventOutcomeIndicator")) == (action, outcome)


def test_the_caller_is_named_with_the_address_and_the_service_with_its_host() -> None:
    root = parsed(event="stored", outcome="new", study_instance_uid=STUDY, film_sha256="f" * 64)
    caller, service = root.findall("ActiveParticipant")

    assert (caller.get("UserID"), caller.get("NetworkAccessPointID")) == ("key:0123456789ab", "10.0.0.5")
    assert (caller.get("NetworkAccessPointTypeCode"), caller.get("UserIsRequestor")) == ("2", "true")
    assert (service.get("UserID"), service.get("NetworkAccessPointID")) == ("CXR-1", "cxr-host")
    assert service.get("NetworkAccessPointTypeCode") == "1"
    assert codes(root, "ActiveParticipant/RoleIDCode") == ["110153", "110152"]


def test_a_study_is_named_by_its_uid_and_a_film_without_one_by_its_hash() -> None:
    study = parsed(event="read", study_instance_uid=STUDY).find("ParticipantObjectIdentification")
    film = parsed(event="film", film_sha256="f" * 64).find("ParticipantObjectIdentification")

    assert study.get("ParticipantObjectID") == STUDY
    assert study.find("ParticipantObjectIDTypeCode").get("csd-code") == "110180"
    assert film.get("ParticipantObjectID") == f"urn:sha256:{'f' * 64}"
    detail = film.find("ParticipantObjectDetail")
    assert (detail.get("type"), base64.b64decode(detail.get("value"))) == ("film_sha256", b"f" * 64)


def test_what_a_caller_may_choose_cannot_break_the_message() -> None:
    root = parsed(event="film", caller='token:"<&>', request_id="<x/>", film_sha256="f" * 64)

    assert root.find("ActiveParticipant").get("UserID") == 'token:"<&>'


def test_a_frame_has_its_length_and_the_header_of_rfc_5424() -> None:
    framed = frame(b"<AuditMessage />", at=str(LINE["at"]), host="cxr-host", sequence=7)
    length, _, whole = framed.partition(b" ")

    assert int(length) == len(whole)
    assert whole.startswith(b"<85>1 2026-11-29T12:00:00.123456Z cxr-host cxr ")
    assert whole.endswith(b' DICOM+RFC3881 [meta sequenceId="7"] \xef\xbb\xbf<AuditMessage />')
