"""Rules of `GET /acceptance…`."""

from datetime import UTC, datetime

import pytest

from bundle.signing import make_key, read_key, signature_of
from schemas.acceptance import RECORD, SIGNATURE, AcceptanceReport
from tests.service.acceptance.records import report, write_report

pytestmark = pytest.mark.anyio


async def test_the_list_begins_with_the_newest_report(serve, tmp_path) -> None:
    write_report(tmp_path, report("old"))
    write_report(tmp_path, report("new", made_at=datetime(2026, 12, 1, tzinfo=UTC), verdict="reject", site=None))
    async with serve(evidence_dir=tmp_path) as client:
        reports = (await client.get("/acceptance")).json()["reports"]

    assert [(each["name"], each["verdict"], each["site"]) for each in reports] == [
        ("new", "reject", None),
        ("old", "accept", "St Example"),
    ]
    assert reports[0]["model"]["version"] == "1.0.0"
    assert (reports[0]["films"], reports[0]["with_finding"]) == (200, 100)
    assert (reports[0]["with_profile"], reports[0]["signed_by"]) == (False, None)


async def test_the_list_names_the_key_that_signed(serve, tmp_path) -> None:
    key_id = make_key(tmp_path / "key")
    place = write_report(tmp_path, report())
    signature = signature_of((place / RECORD).read_bytes(), read_key(tmp_path / "key", remedy=""))
    (place / SIGNATURE).write_text(signature.model_dump_json())
    async with serve(evidence_dir=tmp_path) as client:
        (listed,) = (await client.get("/acceptance")).json()["reports"]

    assert listed["signed_by"] == key_id


async def test_a_report_is_its_record_its_page_its_pdf_and_its_pictures(serve, tmp_path) -> None:
    write_report(tmp_path, report())
    async with serve(evidence_dir=tmp_path) as client:
        record = await client.get("/acceptance/site-a")
        page = await client.get("/acceptance/site-a/report.html")
        pdf = await client.get("/acceptance/site-a/report.pdf")
        plot = await client.get("/acceptance/site-a/plots/figures.svg")

    assert AcceptanceReport.model_validate_json(record.content) == report()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert (pdf.headers["Content-Type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert (plot.headers["Content-Type"], plot.content[:4]) == ("image/svg+xml", b"<svg")


@pytest.mark.parametrize(
    "address",
    ["/acceptance/other", "/acceptance/other/report.html", "/acceptance/site-a/plots/other.svg", "/acceptance/broken"],
)
async def test_what_no_report_holds_is_not_found(serve, tmp_path, address) -> None:
    write_report(tmp_path, report())
    (write_report(tmp_path, report("broken")) / RECORD).write_text("{}")
    async with serve(evidence_dir=tmp_path) as client:
        response = await client.get(address)
        listed = (await client.get("/acceptance")).json()["reports"]

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert [each["name"] for each in listed] == ["site-a"]


async def test_a_name_that_leaves_the_folder_is_refused(serve, tmp_path) -> None:
    async with serve(evidence_dir=tmp_path / "reports") as client:
        response = await client.get("/acceptance/..%2f..%2fetc")
        named = await client.get("/acceptance/UPPER")

    assert response.status_code == 404
    assert (named.status_code, named.json()["code"]) == (422, "invalid_parameter")


async def test_without_a_folder_the_answer_names_the_setting(client) -> None:
    for address in ("/acceptance", "/acceptance/site-a", "/acceptance/site-a/report.pdf"):
        response = await client.get(address)

        assert response.status_code == 404
        assert "CXR_EVIDENCE_DIR" in response.json()["detail"]
