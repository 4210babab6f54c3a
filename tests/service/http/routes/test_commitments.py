"""Rules of `POST /dicomweb/commitments`."""

import pytest

from service.dimse.commitments import Commitments

pytestmark = pytest.mark.anyio

REPORT = {"transaction_uid": "1.1", "committed": ["2.1", "2.2"], "failed": ["2.3"]}


async def test_what_the_archive_was_asked_for_is_noted_and_what_it_refused_is_logged(serve_dicomweb, logged) -> None:
    async with serve_dicomweb() as client:
        commitments = Commitments(client.intake.engine)
        commitments.ask("1.1", ["2.1", "2.3"])
        response = await client.post("/dicomweb/commitments", json=REPORT)

        assert (response.status_code, response.json()) == (200, {"noted": 1})
        assert commitments.cover(["2.1"])
        assert not commitments.cover(["2.3"])
    assert [entry["results"] for entry in logged if entry["event"] == "results_not_committed"] == [1]


async def test_what_nobody_asked_for_changes_nothing(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        response = await client.post("/dicomweb/commitments", json=REPORT | {"transaction_uid": "1.2"})

        assert response.json() == {"noted": 0}


@pytest.mark.parametrize(
    "report",
    [REPORT | {"transaction_uid": "x"}, REPORT | {"committed": ["2.1"] * 1001}, REPORT | {"more": 1}, {}, []],
)
async def test_a_report_that_is_none_is_refused(serve_dicomweb, report) -> None:
    async with serve_dicomweb() as client:
        response = await client.post("/dicomweb/commitments", json=report)

        assert response.status_code == 422
        assert "2.1" not in response.text


async def test_without_dicomweb_there_is_no_such_address(client) -> None:
    assert (await client.post("/dicomweb/commitments", json=REPORT)).status_code == 404
