"""Rules of sending the audit log on, with a real rsyslog behind TLS that demands a certificate."""

import re
import xml.etree.ElementTree as ET

import pytest

from schemas.errors import SettingsError
from service.audit.trail import Trail
from service.metrics import Metrics
from service.settings import AuditSettings
from tests.service.audit.lines import records
from tests.service.audit.rsyslog import Rsyslog, require
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import STUDY, film, stow, uid
from tests.service.dimse.certificates import Authority
from tests.waiting import until, wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.process]


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def rsyslog(tmp_path, authority):
    require()
    server = Rsyslog(tmp_path, authority)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def settings(log, authority, rsyslog):
    certificate, key = authority.vouch("cxr")
    return {
        "audit_file": log,
        "audit_atna": f"tls://127.0.0.1:{rsyslog.port}",
        "audit_atna_ca_file": authority.file,
        "audit_atna_cert_file": certificate,
        "audit_atna_key_file": key,
    }


def section(settings, **more):
    return AuditSettings(**{name.removeprefix("audit_"): value for name, value in (settings | more).items()})


def written(trail, number) -> None:
    for _ in range(number):
        trail.record_without_waiting("query", caller="key:0123456789ab", route="/results", address="10.0.0.5")


def bodies(rsyslog):
    return [ET.fromstring(line.partition(b"\xef\xbb\xbf")[2]) for line in rsyslog.messages]


async def test_what_happens_to_a_film_reaches_the_repository_with_caller_address_and_study(
    serve_dicomweb, settings, rsyslog, log
) -> None:
    async with serve_dicomweb(**settings) as client:
        await client.post("/predict", content=flat_film(200), headers={"Content-Type": "image/png"})
        await client.post("/dicomweb/studies", **stow(film()))
        await until(lambda: client.intake.ledger.find(uid("film"))[0].state == "analysed")
        await client.get("/results")
        await client.get(f"/results/{uid('film')}")
        await client.get("/results/1.2.3")
        await client.get("/models", headers={"X-API-Key": "cxr_0123456789ab_wrong"})
    wait_until(lambda: len(rsyslog.messages) == len(records(log)), "every record at the repository")
    events = [body.find("EventIdentification/EventID").get("csd-code") for body in bodies(rsyslog)]
    studies = [
        body.find("ParticipantObjectIdentification").get("ParticipantObjectID")
        for body in bodies(rsyslog)
        if body.find("ParticipantObjectIdentification") is not None
    ]

    assert rsyslog.sequences == [record["sequence"] for record in records(log)]
    assert events[0] == events[-1] == "110100"
    assert {"110103", "110104", "110112", "110114"} <= set(events)
    assert studies.count(STUDY) == 3  # stored, analysed, read
    assert b"Doe" not in b"".join(rsyslog.messages)
    assert re.match(rb"<85>1 \S+Z \S+ cxr \d+ DICOM\+RFC3881 \[meta sequenceId=", rsyslog.messages[0])


def test_what_was_written_while_the_repository_was_away_is_sent_after_the_next_start(settings, rsyslog) -> None:
    rsyslog.stop()
    with Trail(section(settings), Metrics()).running():
        pass
    trail = Trail(section(settings), Metrics())
    with trail.running():
        written(trail, 5)
    assert rsyslog.messages == []
    rsyslog.start()
    with Trail(section(settings), Metrics()).running():
        wait_until(lambda: len(rsyslog.sequences) >= 10, "all that was owed")

    wait_until(lambda: sorted({*rsyslog.sequences}) == list(range(1, 12)), "all that was owed, and the end")


def test_a_repository_that_comes_back_gets_all_that_it_missed_while_the_service_runs(settings, rsyslog, logged) -> None:
    trail = Trail(section(settings), Metrics())
    with trail.running():
        written(trail, 3)
        wait_until(lambda: len(rsyslog.sequences) == 4, "the first records")
        rsyslog.stop()
        written(trail, 3)
        wait_until(lambda: any(event["event"] == "audit_forwarding_failed" for event in logged), "a failure")
        rsyslog.start()
        wait_until(lambda: {*range(1, 8)} <= {*rsyslog.sequences}, "what it missed")

    assert [event["event"] for event in logged if "forwarding" in event["event"]][:2] == [
        "audit_forwarding_failed",
        "audit_forwarding_resumed",
    ]


def test_records_are_sent_on_across_the_files_of_a_rotated_log(settings, rsyslog) -> None:
    trail = Trail(section(settings, audit_max_bytes=4096), Metrics())
    with trail.running():
        for _ in range(10):
            written(trail, 10)
            wait_until(lambda: not trail._queue.qsize(), "written")
    wait_until(lambda: len(rsyslog.sequences) >= 102, "every record")

    assert rsyslog.sequences == list(range(1, 103))


def test_a_repository_without_the_right_certificate_gets_nothing(settings, rsyslog, authority, tmp_path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    metrics = Metrics()
    with Trail(section(settings, audit_atna_ca_file=other.file), metrics).running():
        wait_until(lambda: metrics.audit_write_failures._value.get() >= 1, "a refused certificate")

    assert rsyslog.messages == []


def test_a_log_that_is_sent_for_the_first_time_is_sent_from_then_on(settings, rsyslog, log) -> None:
    with Trail(AuditSettings(file=log), Metrics()).running():
        pass
    with Trail(section(settings), Metrics()).running():
        pass
    wait_until(lambda: len(rsyslog.sequences) == 2, "the records of the second start")

    assert rsyslog.sequences == [3, 4]


def test_a_cursor_that_is_damaged_stops_the_start(settings, log) -> None:
    log.with_name(log.name + ".atna").write_text("damaged")

    with (
        pytest.raises(SettingsError, match="cannot be used: it is not such a file"),
        Trail(section(settings), Metrics()).running(),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"atna": "udp://host:514"}, "must be tls://HOST:PORT"),
        ({"atna": "tls://host:6514"}, "set CXR_AUDIT_FILE too"),
        ({"atna": "tls://host:6514", "file": "log", "atna_cert_file": "a"}, "belong together"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        AuditSettings(**changes)
