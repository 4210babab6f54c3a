"""Every file of pydicom's published collections is answered by `/predict` and by STOW-RS, and a refusal says why."""

import pytest

from tests.imaging.test_corpus import FILES
from tests.service.dicomweb.films import stow
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.anyio]

REFUSALS = {413, 415, 422}
DICOM = {"Content-Type": "application/dicom"}


async def test_predict_answers_every_file_with_200_or_a_typed_refusal(serve) -> None:
    async with serve() as client:
        answers = [await client.post("/predict", content=path.read_bytes(), headers=DICOM) for path in FILES]

    assert {answer.status_code for answer in answers} <= {200} | REFUSALS
    assert sum(answer.status_code == 200 for answer in answers) == 11
    assert all(answer.json()["code"] and answer.json()["detail"] for answer in answers if answer.status_code != 200)


async def test_stow_stores_every_film_and_says_of_every_other_file_why_not(serve_dicomweb) -> None:
    async with serve_dicomweb(spool_capacity=1000) as client:
        answers = [await client.post("/dicomweb/studies", **stow(path.read_bytes())) for path in FILES]
        await until(lambda: nothing_waits(client), timeout_s=120)
        finished = await results(client, None)
        failed = await results(client, "failed")

    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 409}
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/dicom+json"
        assert ("Warning" in answer.headers) == (answer.status_code == 409)
    assert failed == []
    assert {entry["state"] for entry in finished} == {"analysed", "refused"}
    assert all(entry["problem"] for entry in finished if entry["state"] == "refused")


async def nothing_waits(client) -> bool:
    return (await results(client, "received")) == []


async def results(client, state):
    params = {"limit": 1000} | ({} if state is None else {"state": state})
    return (await client.get("/results", params=params)).json()["results"]
