"""FHIR to a server: a transaction that adds nothing twice, what follows of each answer, a process that is killed."""

import json
import re
import signal
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.errors import DestinationRefusedError, DestinationUnreachableError
from service.destinations.destination import FinishedFilm, Parcel
from service.destinations.file import read_entries
from service.destinations.kinds.fhir import BUNDLE, FhirEntry, open_fhir
from tests.service.destinations.kinds.fhir_server import FakeFhirServer, outcome
from tests.service.dicomweb.films import film as stored_film
from tests.service.dicomweb.films import stow, uid
from tests.service.results.films import analysis, film
from tests.service.server import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio
KEY = "ABCDEFGHIJKLMNOPQR27"
FINISHED = FinishedFilm(film(PatientName="Doe^Jo", PatientID="7", AccessionNumber="A7"), analysis(film()), {})


@pytest.fixture
def server():
    running = FakeFhirServer()
    yield running
    running.close()


def entry(url, **fields):
    return FhirEntry(name="ehr", kind="fhir", url=url, timeout_s=10, **fields)


async def sent(url, finished=FINISHED, **fields):
    async with open_fhir(entry(url, **fields), None) as destination:
        contents = destination.pack(finished)
        await destination.send(Parcel(KEY, contents))
        return contents


@pytest.mark.parametrize(("version", "kinds"), [("4.0", {}), ("5.0", {"ImagingSelection": 1})])
@pytest.mark.clause("FHIR http transaction", "a second attempt adds no resource (conditional create and update)")
async def test_a_film_is_one_transaction_and_a_second_attempt_adds_nothing(server, version, kinds) -> None:
    contents = await sent(server.url, fhir_version=version)
    before = json.dumps(server.resources)
    await sent(server.url, fhir_version=version)

    assert list(contents) == [BUNDLE]
    assert server.transactions == 2
    assert json.dumps(server.resources) == before
    assert server.kinds == {"DiagnosticReport": 1, "Observation": 1, "Device": 1} | kinds
    assert server.requests[0]["content-type"] == f"application/fhir+json; fhirVersion={version}"
    assert server.requests[0]["path"] == "/fhir"


async def test_the_references_of_the_bundle_are_those_of_the_server_afterwards(server) -> None:
    await sent(server.url)
    report, observation = (
        next(each for each in server.resources.values() if each["resourceType"] == kind)
        for kind in ("DiagnosticReport", "Observation")
    )

    assert server.resources[report["result"][0]["reference"]] == observation
    assert server.resources[observation["device"]["reference"]]["resourceType"] == "Device"
    assert report["subject"]["identifier"]["value"] == "7"


async def test_another_film_has_a_report_of_its_own_and_the_same_device(server) -> None:
    other = film(SOPInstanceUID="1.2.9")
    await sent(server.url)
    await sent(server.url, FinishedFilm(other, analysis(other), {}))

    assert server.kinds == {"DiagnosticReport": 2, "Observation": 2, "Device": 1}


@pytest.mark.clause("FHIR http conditional-update", "a corrected film replaces its report")
async def test_a_film_that_is_analysed_again_replaces_what_was_there(server) -> None:
    corrected = film(PatientID="8")
    await sent(server.url)
    await sent(server.url, FinishedFilm(corrected, analysis(corrected, decision="abstain"), {}))

    assert server.kinds == {"DiagnosticReport": 1, "Observation": 1, "Device": 1}
    about = [each for each in server.resources.values() if each["resourceType"] != "Device"]
    assert {each["subject"]["identifier"]["value"] for each in about} == {"8"}
    assert ["dataAbsentReason" in each for each in about] == [False, True]


async def test_a_patient_that_has_to_be_found_is_referred_to_or_the_film_is_refused(server) -> None:
    search = {"patient_system": "http://hospital/mrn", "patient_by": "search"}
    with pytest.raises(DestinationRefusedError, match="status 412 and the issues not-found"):
        await sent(server.url, **search)
    assert server.resources == {}
    server.resources["Patient/p"] = {
        "resourceType": "Patient",
        "identifier": [{"system": "http://hospital/mrn", "value": "7"}],
    }
    await sent(server.url, **search)

    reports = [each for each in server.resources.values() if each["resourceType"] == "DiagnosticReport"]
    assert [each["subject"] for each in reports] == [{"reference": "Patient/p"}]


def done(statuses):
    entries = [{"response": {"status": status}} for status in statuses]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, done(["201 Created", "200", "201"]), None, ""),
        (200, done(["201", "201"]), DestinationUnreachableError, "not the outcome of each of its entries"),
        (200, done(["201", "201", "409"]), DestinationUnreachableError, "not the outcome of each"),
        (200, b"<html>login</html>", DestinationUnreachableError, "not the outcome of each"),
        (200, [1], DestinationUnreachableError, "not the outcome of each"),
        (302, b"", DestinationRefusedError, "status 302"),
        (400, outcome("invalid"), DestinationRefusedError, "status 400 and the issues invalid; mend it there"),
        (400, b"\xff", DestinationRefusedError, "status 400; mend it there"),
        (400, outcome("lock-error"), DestinationUnreachableError, "issues lock-error; it is sent again"),
        (
            400,
            {"issue": [1, {"severity": [], "code": {}}, {"severity": "error"}]},
            DestinationRefusedError,
            "status 400;",
        ),
        (400, {"issue": {"severity": "error"}}, DestinationRefusedError, "status 400;"),
        (200, {"resourceType": "Bundle", "entry": [1, {"response": 2}, {}]}, DestinationUnreachableError, "each"),
        (401, b"", DestinationUnreachableError, "status 401"),
        (404, b"", DestinationRefusedError, "status 404"),
        (409, outcome("conflict"), DestinationUnreachableError, "status 409"),
        (412, outcome("multiple-matches"), DestinationRefusedError, "issues multiple-matches"),
        (422, outcome("Doe 12"), DestinationRefusedError, "status 422; mend it there"),
        (429, b"", DestinationUnreachableError, "status 429"),
        (500, outcome("exception"), DestinationUnreachableError, "status 500"),
        (503, b"", DestinationUnreachableError, "status 503; it is sent again"),
    ],
)
@pytest.mark.clause("FHIR http OperationOutcome", "what may pass is tried again, what is final is a dead letter")
async def test_what_follows_of_an_answer(server, status, body, error, words) -> None:
    server.answers = [(status, body)]
    if error is None:
        await sent(server.url)
        return
    with pytest.raises(error, match=words) as raised:
        await sent(server.url)
    assert "Doe" not in str(raised.value)


async def test_a_server_that_is_away_is_unreachable(server) -> None:
    server.close()
    with pytest.raises(DestinationUnreachableError, match="nothing listens"):
        await sent(server.url)


@pytest.mark.parametrize(
    ("url", "fields", "words"),
    [
        ("http://ehr/fhir", {}, "must begin with https://"),
        ("https://ehr/fhir", {"fhir_version": "3.0"}, "fhir_version"),
        ("https://ehr/fhir", {"patient_system": "our numbers"}, "patient_system"),
        ("https://ehr/fhir", {"patient_by": "name"}, "patient_by"),
    ],
)
def test_an_entry_that_cannot_work_is_refused(url, fields, words) -> None:
    with pytest.raises(ValidationError, match=words):
        entry(url, **fields)


@pytest.mark.process
@pytest.mark.clause("FHIR http transaction", "after SIGKILL between answer and note nothing is doubled")
def test_a_transaction_whose_answer_was_lost_with_the_process_doubles_nothing(
    server, tiny_models, spool_url, tmp_path
) -> None:
    file = tmp_path / "destinations.yaml"
    file.write_text(json.dumps({"destinations": [{"name": "ehr", "kind": "fhir", "url": server.url}]}))
    settings = {"dicomweb": "true", "spool_url": spool_url, "destinations": file}
    server.may_answer.clear()
    first = Server(tiny_models, **settings)
    first.client.post("/dicomweb/studies", **stow(stored_film("film"))).raise_for_status()
    server.wait_for(1)
    first.process.send_signal(signal.SIGKILL)
    first.wait()
    first.client.close()
    before = json.dumps(server.resources)
    server.may_answer.set()
    again = Server(tiny_models, **settings)
    try:
        address = f"/results/{uid('film')}"
        wait_until(
            lambda: [each["state"] for each in again.client.get(address).json()["destinations"]] == ["delivered"],
            "the film is delivered",
        )
    finally:
        again.end()
        first.end()

    assert server.transactions == 2
    assert json.dumps(server.resources) == before
    assert server.kinds["DiagnosticReport"] == 1


@pytest.mark.parametrize("page", ["fhir", "hl7"])
def test_the_file_of_the_page_is_read(page, tmp_path) -> None:
    text = (Path(__file__).parents[4] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "destinations.yaml"
    file.write_text(block)

    assert [each.kind for each in read_entries(file)] == [{"fhir": "fhir", "hl7": "mllp"}[page]]
