"""Verdicts by a table, by an SR over STOW and by final reports, through the routes and the commands."""

import json

import pytest

from service.commands.every import COMMANDS
from tests.docs.pages import ROOT
from tests.service.dicomweb.films import film_dataset, stow, uid
from tests.service.server import Server
from tests.service.surveillance.reports.assessments import ASSESSMENT, assessment, code, verdict
from tests.service.surveillance.site import REASON, monitoring, read, recorded, write_all_keys, write_limits
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

RULES = ROOT / "deploy/verdicts/report-rules.json"
NAMES = ["film 0", "film 1"]
STUDY = "1.2.826.0.1.3680043.8.498.1"


def table(*rows):
    return "\n".join(["sop_instance_uid,verdict,corrected", *rows]).encode()


def fhir(conclusion):
    study = {"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}}
    return {"resourceType": "DiagnosticReport", "status": "final", "study": [study], "conclusion": conclusion}


async def send(client, content, kind):
    return await client.post("/verdicts", content=content, headers={"Content-Type": kind})


async def test_a_table_is_stored_row_by_row_and_twice_it_changes_nothing(serve_dicomweb, log) -> None:
    rows = (
        f"{uid(NAMES[0])},accept,",
        f"{uid('nowhere')},accept,",
        f"{uid(NAMES[1])},modify,PNEUMONIA=absent",
        "1.2,so,",
    )
    async with serve_dicomweb(audit_file=log) as client:
        await read(client, *NAMES)
        first = await send(client, table(*rows), "text/csv; charset=utf-8")
        again = await send(client, table(*rows), "TEXT/CSV")
        monitored = await monitoring(client)

    assert {key: first.json()[key] for key in ("new", "changed", "known")} == {"new": 2, "changed": 0, "known": 0}
    assert [(each["line"], each["code"]) for each in first.json()["problems"]] == [
        (3, "not_found"),
        (5, "invalid_parameter"),
    ]
    assert (again.json()["new"], again.json()["known"]) == (0, 2)
    assert monitored["verdicts"] == 2
    assert {line["source"] for line in recorded(log, "verdict")} == {"csv"}


async def test_a_report_states_the_truth_of_every_film_of_its_study_and_its_text_is_not_kept(
    serve_dicomweb, log, tmp_path
) -> None:
    async with serve_dicomweb(audit_file=log, report_rules=RULES) as client:
        await read(client, *NAMES)
        await read(client, "another study", StudyInstanceUID="1.2.3")
        answer = await send(client, json.dumps(fhir("Mr Smith: no pneumonia.")), "application/fhir+json")

    assert answer.json()["new"] == 2
    lines = recorded(log, "verdict")
    assert [(line["verdict"], line["truth"], line["source"]) for line in lines] == [
        ("reject", {"PNEUMONIA": "absent"}, "report")
    ] * 2
    assert all(b"Smith" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_without_rules_and_of_other_types_reports_are_refused(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        without = await send(client, json.dumps(fhir("x")), "application/fhir+json")
        other = await send(client, b"x", "text/plain")
        unread = await send(client, b"x", "text/csv")

    assert (without.status_code, "CXR_REPORT_RULES" in without.json()["detail"]) == (422, True)
    assert (other.status_code, unread.status_code) == (415, 422)


async def test_an_assessment_over_stow_is_a_verdict_and_not_a_film(serve_dicomweb, log) -> None:
    source = film_dataset(NAMES[0])
    sr = assessment(source, code(ASSESSMENT, verdict("reject")))
    silent = assessment(source)
    async with serve_dicomweb(audit_file=log) as client:
        early = await client.post("/dicomweb/studies", **stow(sr))
        await read(client, NAMES[0])
        stored = await client.post("/dicomweb/studies", **stow(sr))
        again = await client.post("/dicomweb/studies", **stow(sr))
        refused = await client.post("/dicomweb/studies", **stow(silent))
        monitored = await monitoring(client)
        listed = (await client.get("/results")).json()["results"]

    assert (early.status_code, stored.status_code, again.status_code, refused.status_code) == (409, 200, 200, 409)
    assert "SOP class is neither CR nor DX" in refused.headers["Warning"]
    assert monitored["verdicts"] == 1
    assert len(listed) == 1
    assert [(line["source"], line["truth"]) for line in recorded(log, "verdict")] == [("sr", {"PNEUMONIA": "absent"})]


@pytest.mark.process
def test_the_commands_reach_a_running_service(tiny_models, spool_url, log, tmp_path, capsys) -> None:
    from tests.service.dicomweb.films import film

    keys, quality, _ = write_all_keys(tmp_path)
    names = [f"film {number}" for number in range(4)]
    settings = {"dicomweb": "true", "spool_url": spool_url, "audit_file": log, "api_keys_file": keys}
    server = Server(tiny_models, stop_limits=write_limits(tmp_path), report_rules=RULES, **settings)
    try:
        server.client.headers.update(quality)
        assert server.client.post("/dicomweb/studies", **stow(*map(film, names))).status_code == 200
        wait_until(lambda: server.client.get("/monitoring").json()["readings"] == 4, "every film read")
        (tmp_path / "key").write_text(quality["X-API-Key"])
        (tmp_path / "key").chmod(0o600)
        (tmp_path / "verdicts.csv").write_bytes(table(*(f"{uid(name)},reject," for name in names), "1.2,accept,"))
        (tmp_path / "report.json").write_text(json.dumps(fhir("no pneumonia")))
        (tmp_path / "notes.txt").write_text("")
        where = ["--url", server.address, "--key-file", str(tmp_path / "key")]

        partly = COMMANDS["verdicts"](["import", str(tmp_path / "verdicts.csv"), *where])
        said = capsys.readouterr()
        known = COMMANDS["verdicts"](["import", str(tmp_path / "report.json"), *where])
        unknown = COMMANDS["verdicts"](["import", str(tmp_path / "notes.txt"), *where])
        suspended = server.client.get("/monitoring").json()["suspended"]
        hasty = COMMANDS["resume"](["--reason", "ok", *where])
        lifted = COMMANDS["resume"](["--reason", REASON, *where])
        again = COMMANDS["resume"](["--reason", REASON, *where])
    finally:
        server.end()

    assert (partly, known, unknown) == (1, 0, 2)
    assert "4 new, 0 changed, 0 known" in said.out
    assert "line 6: not_found" in said.err
    assert suspended
    assert (hasty, lifted, again) == (2, 0, 1)
    assert recorded(log, "lifted")[0]["reason"] == REASON
