"""Rules of the request that brings films by STOW-RS, before they are stored."""

import gzip

import pytest

from tests.imaging.files import dicom_bytes
from tests.service.dicomweb.films import film, film_dataset, stow, uid
from tests.waiting import until

pytestmark = pytest.mark.anyio

ZEROS = {"StudyInstanceUID": "1.2.03.4", "SeriesInstanceUID": "1.2.003.5", "SOPInstanceUID": "1.2.0003.06"}


async def test_a_compressed_body_is_refused_by_the_name_of_the_header(serve_dicomweb) -> None:
    request = stow(film())
    headers = request["headers"] | {"Content-Encoding": "gzip"}
    async with serve_dicomweb() as client:
        refused = await client.post("/dicomweb/studies", content=gzip.compress(request["content"]), headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_encoding")
    assert "Content-Encoding" in refused.json()["detail"]


@pytest.mark.parametrize(("second", "status"), [("application/dicom+json", 200), ("text/html", 406)])
async def test_every_line_of_accept_counts(serve_dicomweb, second, status) -> None:
    request = stow(film())
    headers = [*request["headers"].items(), ("Accept", "application/json"), ("Accept", second)]
    async with serve_dicomweb() as client:
        del client.headers["Accept"]
        answer = await client.post("/dicomweb/studies", content=request["content"], headers=headers)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("lines", "media_type"),
    [
        (["application/dicom+xml;q=0.9", "application/dicom+json;q=0.8"], "application/dicom+xml"),
        (["application/dicom+xml;q=0.1, text/html", "*/*;q=0.5"], "application/dicom+json"),
        (["text/html", "application/dicom+json;q=0, application/*"], "application/dicom+xml"),
    ],
)
async def test_the_weights_of_all_lines_decide(serve_dicomweb, lines, media_type) -> None:
    request = stow(film())
    headers = [*request["headers"].items(), *(("Accept", line) for line in lines)]
    async with serve_dicomweb() as client:
        del client.headers["Accept"]
        answer = await client.post("/dicomweb/studies", content=request["content"], headers=headers)

    assert answer.headers["Content-Type"] == media_type


@pytest.mark.parametrize(("value", "priority"), [("STAT", "stat"), ("Stat", "stat"), ("ROUTINE", "routine")])
async def test_the_priority_is_read_in_any_case(serve_dicomweb, value, priority) -> None:
    request = stow(film(RequestedProcedurePriority="HIGH"))
    async with serve_dicomweb() as client:
        stored = await client.post(
            "/dicomweb/studies", content=request["content"], headers=request["headers"] | {"X-Priority": value}
        )
        body = (await client.get(f"/results/{uid('film')}")).json()

    assert (stored.status_code, body["priority"]) == (200, priority)


async def test_a_priority_that_there_is_not_is_refused_with_those_there_are(serve_dicomweb) -> None:
    request = stow(film())
    async with serve_dicomweb() as client:
        refused = await client.post(
            "/dicomweb/studies", content=request["content"], headers=request["headers"] | {"X-Priority": "urgent"}
        )

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
    assert "'stat' or 'routine'" in refused.json()["detail"]


async def test_uids_with_leading_zeros_are_stored_analysed_and_found_as_they_were_sent(serve_dicomweb) -> None:
    dataset = film_dataset()
    for keyword, value in ZEROS.items():
        setattr(dataset, keyword, value)
    async with serve_dicomweb() as client:
        stored = await client.post(f"/dicomweb/studies/{ZEROS['StudyInstanceUID']}", **stow(dicom_bytes(dataset)))

        async def analysed():
            body = (await client.get(f"/results/{ZEROS['SOPInstanceUID']}")).json()
            return body if body.get("state") not in ("received", None) else None

        body = await until(analysed)
        fhir = await client.get(f"/results/{ZEROS['SOPInstanceUID']}/fhir")

    assert stored.status_code == 200
    assert "uid_leading_zero: SOPInstanceUID and StudyInstanceUID and SeriesInstanceUID" in stored.headers["Warning"]
    assert (body["state"], body["problem"]) == ("analysed", None)
    assert body["sop_instance_uid"] == body["analysis"]["sop_instance_uid"] == ZEROS["SOPInstanceUID"]
    assert body["study_instance_uid"] == ZEROS["StudyInstanceUID"]
    assert fhir.status_code == 200


@pytest.mark.parametrize(
    "keyword", ["RescaleSlope", "WindowCenter", "NumberOfFrames", "SeriesInstanceUID", "PatientName"]
)
async def test_a_value_that_is_too_long_is_refused_by_its_element_wherever_the_film_is_sent(
    serve_dicomweb, keyword
) -> None:
    dataset = film_dataset()
    dataset.add_new(keyword, "UN", b"1\\" * 2_000_000)
    content = dicom_bytes(dataset)
    async with serve_dicomweb() as client:
        predicted = await client.post("/predict", content=content)
        stored = await client.post("/dicomweb/studies", **stow(content))

    assert (predicted.status_code, predicted.json()["code"]) == (422, "invalid_image")
    assert stored.status_code == 409
    for message in (predicted.json()["detail"], stored.headers["Warning"]):
        assert keyword in message
        assert "at most 16384" in message
