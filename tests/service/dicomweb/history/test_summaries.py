"""A study of several films: one summary once it is quiet, replaced when something changes."""

import subprocess

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, DigitalXRayImageStorageForProcessing, generate_uid

from service.dicomweb.history.summaries import Summaries
from service.results.history.study import summary_key
from tests.service.dicomweb.films import STUDY, film, stow, uid
from tests.service.results.films import DCIODVFY
from tests.waiting import until

pytestmark = pytest.mark.anyio

LATER = 4_000_000_000.0
DIGITAL = {"Modality": "DX", "DetectorID": "D1", "AcquisitionDate": "20261129", "AcquisitionTime": "101112"}
PRESENTED = DIGITAL | {
    "SOPClassUID": DigitalXRayImageStorageForPresentation,
    "PresentationIntentType": "FOR PRESENTATION",
}
RAW = DIGITAL | {"SOPClassUID": DigitalXRayImageStorageForProcessing, "PresentationIntentType": "FOR PROCESSING"}


@pytest.fixture
def serve(serve_dicomweb, archive):
    return lambda **settings: serve_dicomweb(pacs_url=archive.url, study_quiet_s=5000, **settings)


async def send(client, *contents) -> None:
    assert (await client.post("/dicomweb/studies", **stow(*contents))).status_code == 200


async def settled(client):
    async def nothing_waits():
        films = (await client.get("/results")).json()["results"]
        return films if all(each["state"] in ("delivered", "refused", "withdrawn") for each in films) else None

    return await until(nothing_waits, timeout_s=30)


def write(client, at=LATER):
    """What the housekeeping does once the study is quiet."""
    written = Summaries(client.intake.engine, quiet_s=1, clock=lambda: at).write_due()
    client.intake.worker.wake()
    return written


def summaries(archive):
    return [each for each in archive.instances if each.get("SeriesNumber") == 9900]


def words(summary):
    """The texts of a summary by the codes of their sections."""
    return {
        item.ConceptNameCodeSequence[0].CodeValue: [text.TextValue for text in item.ContentSequence]
        for item in summary.ContentSequence
        if item.ValueType == "CONTAINER"
    }


async def test_a_study_of_two_films_gets_one_summary_that_names_each_and_its_decision(serve, archive) -> None:
    async with serve() as client:
        await send(client, film("front", InstanceNumber=1), film("again", gray=60, InstanceNumber=1))
        await settled(client)
        assert write(client, at=0.0) == 0
        assert write(client) == 1
        await settled(client)
        assert write(client) == 0
        listed = (await client.get(f"/results/{summary_key(STUDY)}")).json()

    (summary,) = summaries(archive)
    assert words(summary)["121070"] == [
        "Film 1: PNEUMONIA positive (tiny 1.0.0).",
        "Film 2: PNEUMONIA negative (tiny 1.0.0).",
    ]
    assert words(summary)["121076"][0].startswith("2 films: 2 answered, 1 of them positive.")
    assert summary.PatientName == "Marker^Patient"
    assert (listed["kind"], listed["state"], listed["analysis"]) == ("summary", "delivered", None)
    reports = [each for each in archive.instances if each.get("SeriesNumber") == 9901]
    assert sorted(each.InstanceNumber for each in reports) == [1, 2]


async def test_a_study_of_one_film_has_its_report_and_no_summary(serve, archive) -> None:
    async with serve() as client:
        await send(client, film())
        await settled(client)

        assert write(client) == 0


async def test_a_later_film_and_a_withdrawal_each_give_a_summary_that_names_the_one_before(serve, archive) -> None:
    async with serve() as client:
        await send(client, film("a"), film("b"))
        await settled(client)
        write(client)
        await settled(client)
        await send(client, film("c", gray=60))
        await settled(client)
        write(client)
        await settled(client)
        await client.post(f"/results/{uid('a')}/withdraw", json={"reason": "quality"})
        await settled(client)
        write(client)
        await settled(client)

    first, second, third = summaries(archive)
    assert [len(words(each)["121070"]) for each in (first, second, third)] == [2, 3, 2]
    assert words(third)["121064"] == ["Film 1: its results were withdrawn."]
    named = [
        each.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        for each in (second, third)
    ]
    assert [each.ReferencedSOPInstanceUID for each in named] == [first.SOPInstanceUID, second.SOPInstanceUID]
    assert [each.InstanceNumber for each in (first, second, third)] == [1, 2, 3]


async def test_a_lateral_film_is_named_and_no_finding(serve, archive) -> None:
    async with serve() as client:
        await send(client, film("front", ViewPosition="PA"), film("side", ViewPosition="LL"))
        await settled(client)
        write(client)
        await settled(client)

    (summary,) = summaries(archive)
    assert words(summary)["121070"] == ["Film 1: PNEUMONIA positive (tiny 1.0.0)."]
    assert words(summary)["121064"] == ["Film 2: not a frontal film, e.g. a lateral one; no finding is reported of it."]


async def test_a_film_for_processing_is_left_out_where_the_one_for_presentation_is_there(serve, archive) -> None:
    async with serve() as client:
        await send(client, film("raw", **RAW), film("shown", **PRESENTED))
        with client.intake.engine.begin() as connection:  # its 30 s are over
            connection.exec_driver_sql("UPDATE instances SET next_attempt_at = 0")
        client.intake.worker.wake()
        films = {each["sop_instance_uid"]: each for each in await settled(client)}
        write(client)
        await settled(client)

    assert [films[uid(name)]["state"] for name in ("raw", "shown")] == ["refused", "delivered"]
    assert films[uid("raw")]["problem"] == "same_exposure"
    (summary,) = summaries(archive)
    assert words(summary)["121064"] == [
        "Film 1: left out, since the film FOR PRESENTATION of the same exposure is read."
    ]


@pytest.mark.parametrize(
    ("raw", "shown", "left_out"),
    [
        ({"IrradiationEventUID": "1.2.7"}, {"IrradiationEventUID": "1.2.7", "AcquisitionTime": "111111"}, True),
        ({"IrradiationEventUID": "1.2.7"}, {"IrradiationEventUID": "1.2.8"}, False),
        ({"AcquisitionTime": "101113"}, {}, False),
        ({"DetectorID": "D2"}, {}, False),
        ({"DetectorID": "D2"}, {"SourceImageSequence": "raw"}, True),
        ({"StudyInstanceUID": "1.2.9"}, {}, False),
    ],
)
async def test_which_films_are_of_one_exposure(serve, raw, shown, left_out) -> None:
    if "SourceImageSequence" in shown:
        source = Dataset()
        source.ReferencedSOPClassUID = DigitalXRayImageStorageForProcessing
        source.ReferencedSOPInstanceUID = generate_uid(entropy_srcs=["raw"])
        shown = {"SourceImageSequence": [source]}
    async with serve() as client:
        await client.intake.worker.stop()
        await send(client, film("raw", **(RAW | raw)), film("shown", **(PRESENTED | shown)))
        with client.intake.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE instances SET next_attempt_at = 0")
        claims = [client.intake.spool.claim("received") for _ in range(2)]

    found = {claim.sop_instance_uid: claim.read_instead for claim in claims}
    assert found == {uid("raw"): uid("shown") if left_out else None, uid("shown"): None}


def errors_of(file):
    checked = subprocess.run([DCIODVFY, "-new", file], capture_output=True, text=True, check=False)
    return [line for line in checked.stderr.splitlines() if line.startswith("Error")]


@pytest.mark.process
@pytest.mark.skipif(not DCIODVFY.exists(), reason="dicom3tools is not installed")
async def test_dciodvfy_finds_no_error_in_a_summary(serve, archive, tmp_path) -> None:
    async with serve() as client:
        await send(client, film("front"), film("side", ViewPosition="LL"))
        await settled(client)
        write(client)
        await settled(client)
        await send(client, film("another"))
        await settled(client)
        write(client)
        await settled(client)

    for number, summary in enumerate(summaries(archive)):
        summary.save_as(tmp_path / f"{number}.dcm")
        assert errors_of(tmp_path / f"{number}.dcm") == []
    assert number == 1
