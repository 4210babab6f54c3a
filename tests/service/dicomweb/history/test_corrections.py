"""A film that is sent again with another content, and results that are taken back, as an archive sees it."""

import subprocess

import pytest

from tests.service.dicomweb.films import STUDY, film, stow, uid
from tests.service.results.films import DCIODVFY
from tests.waiting import until

pytestmark = pytest.mark.anyio

KOS = "1.2.840.10008.5.1.4.1.1.88.59"
NEW_STUDY = "1.2.826.0.1.3680043.8.498.2"


async def reached(client, state, version=1, name="film"):
    async def result():
        body = (await client.get(f"/results/{uid(name)}")).json()
        return body if (body["state"], body["version"]) == (state, version) else None

    return await until(result, timeout_s=30)


async def send(client, *contents) -> None:
    response = await client.post("/dicomweb/studies", **stow(*contents))

    assert response.status_code == 200


async def is_rejected(client):
    return (await client.get(f"/results/{uid('film')}")).json()["next_attempt_at"] is None


def notes(archive):
    return [each for each in archive.instances if each.SOPClassUID == KOS]


def reports(archive):
    return [each for each in archive.instances if each.Modality == "SR"]


def rejected(note):
    return {
        instance.ReferencedSOPInstanceUID
        for study in note.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }


def title(note):
    return note.ConceptNameCodeSequence[0].CodeValue


def errors_of(file):
    checked = subprocess.run([DCIODVFY, "-new", file], capture_output=True, text=True, check=False)
    return [line for line in checked.stderr.splitlines() if line.startswith("Error")]


@pytest.fixture
def serve(serve_dicomweb, archive):
    return lambda **settings: serve_dicomweb(pacs_url=archive.url, **settings)


async def test_other_pixels_give_other_results_and_the_archive_learns_what_they_replace(serve, archive) -> None:
    async with serve() as client:
        await send(client, film())
        first = await reached(client, "delivered")
        old = {each.SOPInstanceUID for each in archive.instances}
        (old_report,) = reports(archive)
        await send(client, film(gray=60))
        second = await reached(client, "delivered", version=2)

    assert [each["analysis"]["prediction"]["decision"] for each in (first, second)] == ["positive", "negative"]
    (note,) = notes(archive)
    assert (title(note), rejected(note)) == ("113001", old)
    new_report = reports(archive)[1]
    assert new_report.SOPInstanceUID != old_report.SOPInstanceUID
    (study,) = new_report.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (named,) = series.ReferencedSOPSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID, named.ReferencedSOPInstanceUID) == (
        STUDY,
        old_report.SeriesInstanceUID,
        old_report.SOPInstanceUID,
    )
    assert [each["sop_instance_uid"] for each in second["analysis"]["predecessors"]] == [old_report.SOPInstanceUID]
    assert set(archive.stored.values()) == {1}


async def test_results_of_another_patient_are_withdrawn_under_the_patient_that_they_named(serve, archive) -> None:
    async with serve() as client:
        await send(client, film(PatientID="A\\1", PatientName="Müller", SpecificCharacterSet="ISO_IR 100"))
        await reached(client, "delivered")
        await send(client, film(PatientID="B2", PatientName="Meier"))
        await reached(client, "delivered", version=2)

    (note,) = notes(archive)
    assert title(note) == "113038"
    assert (list(note.PatientID), str(note.PatientName)) == (["A", "1"], "Müller")
    assert [str(each.PatientName) for each in reports(archive)] == ["Müller", "Meier"]


async def test_results_in_another_study_are_withdrawn_where_they_are(serve, archive) -> None:
    async with serve() as client:
        await send(client, film())
        await reached(client, "delivered")
        await send(client, film(StudyInstanceUID=NEW_STUDY))
        await reached(client, "delivered", version=2)

    (note,) = notes(archive)
    assert (title(note), note.StudyInstanceUID) == ("113038", STUDY)
    assert reports(archive)[1].StudyInstanceUID == NEW_STUDY


async def test_the_content_of_before_once_more_is_a_third_version_with_results_of_its_own(serve, archive) -> None:
    async with serve() as client:
        for version, gray in enumerate((200, 60, 200), start=1):
            await send(client, film(gray=gray))
            await reached(client, "delivered", version=version)

    uids = [each.SOPInstanceUID for each in reports(archive)]
    assert len(set(uids)) == 3
    assert [rejected(note) >= {before} for note, before in zip(notes(archive), uids, strict=False)] == [True, True]


async def test_a_correction_that_cannot_be_read_withdraws_what_it_replaces_all_the_same(serve, archive) -> None:
    async with serve() as client:
        await send(client, film())
        await reached(client, "delivered")
        await send(client, film(Rows=4000))
        result = await reached(client, "refused", version=2)
        await until(lambda: bool(notes(archive)), timeout_s=30)

    (note,) = notes(archive)
    assert result["analysis"] is None
    assert title(note) == "113001"


async def test_what_an_operator_withdraws_is_rejected_in_the_archive_and_no_second_store_brings_it_back(
    serve, archive
) -> None:
    async with serve() as client:
        await send(client, film())
        await reached(client, "delivered")
        old = {each.SOPInstanceUID for each in archive.instances}
        answers = [
            await client.post(f"/results/{uid('film')}/withdraw", json={"reason": "patient_safety"}) for _ in range(2)
        ]
        await until(lambda: bool(notes(archive)), timeout_s=30)
        await send(client, film())
        await until(lambda: is_rejected(client), timeout_s=30)
        result = await reached(client, "withdrawn")
        fhir = await client.get(f"/results/{uid('film')}/fhir")
        unknown = await client.post("/results/1.2.3/withdraw", json={"reason": "quality"})
        unreasoned = await client.post(f"/results/{uid('film')}/withdraw", json={})

    (note,) = notes(archive)
    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(202, "withdrawn")] * 2
    assert (title(note), rejected(note)) == ("113037", old)
    assert (result["state"], result["next_attempt_at"], fhir.status_code) == ("withdrawn", None, 404)
    assert (unknown.status_code, unreasoned.status_code) == (404, 422)
    assert len(archive.instances) == 4


@pytest.mark.process
@pytest.mark.skipif(not DCIODVFY.exists(), reason="dicom3tools is not installed")
async def test_dciodvfy_finds_no_error_in_what_follows_a_correction(serve, archive, tmp_path) -> None:
    async with serve() as client:
        await send(client, film())
        await reached(client, "delivered")
        await send(client, film(gray=60, PatientID="B2"))
        await reached(client, "delivered", version=2)

    for number, made in enumerate((*notes(archive), reports(archive)[1])):
        made.save_as(tmp_path / f"{number}.dcm")
        assert errors_of(tmp_path / f"{number}.dcm") == []
