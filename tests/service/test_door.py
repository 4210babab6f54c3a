"""Twins of one film that differ in one attribute alone, through the whole service: answer, SR, FHIR and orientation."""

import base64
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset

from imaging.phantom import phantom
from tests.imaging.files import dicom_bytes
from tests.service.bundles import change_manifest, write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film, film_dataset, stow, uid
from tests.waiting import until

pytestmark = pytest.mark.anyio

CHILD: dict[str, Any] = {"PatientAge": "004Y"}
PICTURE = flat_film(200)


def coded(value, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return [item]


OUTSIDE = {
    "67 years": ({"PatientAge": "067Y"}, "by PatientAge"),
    "a newborn": ({"PatientAge": "001D"}, "by PatientAge"),
    "67 years by the birth date": (
        {"PatientAge": "", "PatientBirthDate": "19590101", "StudyDate": "20260102"},
        "by PatientBirthDate",
    ),
    "a hip": ({"BodyPartExamined": "HIP"}, "another part of the body, or more than one (BodyPartExamined)"),
    "a tibia": ({"BodyPartExamined": "TIBIA"}, "(BodyPartExamined)"),
    "a tibia by its code": ({"AnatomicRegionSequence": coded("12611008", "Tibia")}, "(AnatomicRegionSequence)"),
    "ribs": ({"BodyPartExamined": "RIBS"}, "(BodyPartExamined)"),
    "a lateral film": ({"ViewPosition": "L LAT"}, "a view that is lateral (ViewPosition)"),
    "an oblique film": ({"ViewPosition": "LAO"}, "a view that is oblique (ViewPosition)"),
    "a lateral film by its code": ({"ViewCodeSequence": coded("399173006", "left lateral")}, "(ViewCodeSequence)"),
    "raw values": ({"PresentationIntentType": "FOR PROCESSING"}, "(PresentationIntentType)"),
}
ABSENT = {
    "age_unknown": {"PatientAge": ""},
    "view_unknown": {"ViewPosition": ""},
    "body_part_unknown": {"BodyPartExamined": ""},
}


@pytest.fixture
def children(tmp_path):
    """A models directory whose bundle is for children from 1 and below 6 years."""
    directory = write_tiny_bundle(tmp_path / "models")
    change_manifest(directory, population={"name": "child", "least_age_years": 1, "age_below_years": 6})
    return tmp_path / "models"


async def predicted(client, content, question="", **headers):
    response = await client.post(f"/predict{question}", content=content, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def analysed(client, name):
    async def result():
        body = (await client.get(f"/results/{uid(name)}")).json()
        return body if body.get("state") in ("analysed", "delivered") else None

    return (await until(result))["analysis"]


async def test_a_film_of_the_intended_population_is_answered_in_several_languages(serve, children) -> None:
    async with serve(models_dir=children) as client:
        for part in ("CHEST", "TORAX", "Thorax", "LUNG"):
            body = await predicted(client, film(BodyPartExamined=part, **CHILD))

            assert (body["prediction"]["decision"], body["prediction"]["population"]) == ("positive", "inside")
            assert not [name for name in body["image"]["warnings"] if name.endswith("_unknown")]


@pytest.mark.parametrize("case", OUTSIDE)
async def test_a_twin_that_is_outside_by_one_attribute_has_no_answer_and_its_reason_names_it(
    serve, children, case
) -> None:
    changes, words = OUTSIDE[case]
    async with serve(models_dir=children) as client:
        body = await predicted(client, film(**(CHILD | changes)))

    prediction = body["prediction"]
    assert (prediction["decision"], prediction["population"]) == ("abstain", "outside")
    assert prediction["abstention_reasons"][0] == "outside_population"
    assert words in prediction["recommendation"]
    assert not {"67", "1959", "067Y", "001D", "TIBIA", "HIP"} & set(prediction["recommendation"].split())


@pytest.mark.parametrize("warning", ABSENT)
async def test_a_twin_that_is_silent_is_answered_with_a_warning(serve, children, warning) -> None:
    async with serve(models_dir=children) as client:
        body = await predicted(client, film(**(CHILD | ABSENT[warning])))

    assert (body["prediction"]["decision"], body["prediction"]["population"]) == ("positive", "incomplete")
    assert warning in body["image"]["warnings"]


async def test_a_picture_is_not_checked_unless_its_caller_states_age_and_view(serve, children) -> None:
    async with serve(models_dir=children) as client:
        unsaid = await predicted(client, PICTURE)
        inside = await predicted(client, PICTURE, "?age=4&view=PA")
        half = await predicted(client, PICTURE, **{"X-Age": "018M"})
        old = await predicted(client, PICTURE, "?age=67&view=frontal")
        lateral = await predicted(client, PICTURE, "?age=4", **{"X-View": "L LAT"})

    assert (unsaid["prediction"]["decision"], unsaid["prediction"]["population"]) == ("positive", "not_checked")
    assert (inside["prediction"]["decision"], inside["prediction"]["population"]) == ("positive", "inside")
    assert (half["prediction"]["population"], "view_unknown" in half["image"]["warnings"]) == ("incomplete", True)
    assert "its caller states an age outside" in old["prediction"]["recommendation"]
    assert "its caller states a view that is lateral (view)" in lateral["prediction"]["recommendation"]
    for body in (old, lateral):
        assert body["prediction"]["abstention_reasons"][0] == "outside_population"


async def test_a_header_counts_before_a_caller_who_contradicts_it(serve, children) -> None:
    async with serve(models_dir=children) as client:
        stated = await predicted(client, film(**CHILD), "?age=67")
        silent = await predicted(client, film(PatientAge=""), "?age=67")

    assert stated["prediction"]["decision"] == "positive"
    assert "caller_contradicts_header" in stated["image"]["warnings"]
    assert silent["prediction"]["population"] == "outside"


@pytest.mark.parametrize("question", ["?age=old", "?age=-1", "?age=131", "?age=1e2", "?view=upstairs", "?age="])
async def test_an_age_or_a_view_that_cannot_be_read_is_refused_and_not_repeated(client, question) -> None:
    for path in ("/predict", "/explain", "/predict/batch"):
        refused = await client.post(f"{path}{question}", content=PICTURE)

        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
        assert not {"old", "upstairs", "131"} & set(refused.json()["detail"].replace(";", " ").split())


async def test_each_film_of_a_batch_and_an_explained_one_are_held_against_the_callers_word(serve, children) -> None:
    async with serve(models_dir=children) as client:
        batch = await client.post("/predict/batch?age=67", files=[("files", ("a", PICTURE)), ("files", ("b", PICTURE))])
        explained = await client.post("/explain?age=67", content=PICTURE)

    answers = [result["prediction"] for result in batch.json()["results"]] + [explained.json()["prediction"]]
    assert [answer["population"] for answer in answers] == ["outside"] * 3


async def test_fhir_and_the_short_report_carry_the_reason_and_the_archive_gets_no_figure_and_no_outline(
    serve_dicomweb, children, archive
) -> None:
    async with serve_dicomweb(models_dir=children, pacs_url=archive.url) as client:
        await client.post("/dicomweb/studies", **stow(film("hip", BodyPartExamined="HIP", **CHILD)))
        record = await analysed(client, "hip")
        fhir = (await client.get(f"/results/{uid('hip')}/fhir")).json()
        await until(lambda: archive.instances)

    (sr,) = archive.instances
    texts = [str(element.value) for element in sr.iterall() if element.keyword == "TextValue"]
    codes = {str(element.value) for element in sr.iterall() if element.keyword == "CodeValue"}
    assert (record["delivery"], record["explanation"], sr.Modality) == (["note"], None, "SR")
    assert any("another part of the body, or more than one (BodyPartExamined)" in text for text in texts)
    assert {"82334004", "OUTSIDE"} <= codes
    assert [element.keyword for element in sr.iterall() if element.keyword == "MeasuredValueSequence"] == [
        "MeasuredValueSequence"  # rows and columns of the film in the image library
    ] * 2
    observation = next(each["resource"] for each in fhir["entry"] if each["resource"]["resourceType"] == "Observation")
    report = next(each["resource"] for each in fhir["entry"] if each["resource"]["resourceType"] == "DiagnosticReport")
    components = str(observation["component"])
    assert "'OUTSIDE'" in components
    assert observation["dataAbsentReason"]["coding"][0]["code"] == "unsupported"
    assert observation["component"][0]["valueQuantity"]["value"] > 0  # FHIR stays whole
    assert "(BodyPartExamined)" in report["conclusion"]


LYING = {
    ("R", "F"): lambda pixels: pixels[:, ::-1],
    ("L", "H"): lambda pixels: pixels[::-1],
    ("F", "L"): lambda pixels: pixels.T,
    ("H", "R"): lambda pixels: pixels[::-1, ::-1].T,
}
UPRIGHT = phantom(56, 40, seed=2, opacity=0.9)


def lying(name, orientation, pixels):
    dataset = film_dataset(name, PatientOrientation=list(orientation), **CHILD)
    pixels = np.ascontiguousarray(pixels)
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.tobytes()
    return dicom_bytes(dataset)


def picture(body, name):
    return cv2.imdecode(np.frombuffer(base64.b64decode(body["explanation"][name]), np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("orientation", LYING)
async def test_a_film_that_lies_otherwise_is_put_upright_and_its_heat_map_lies_on_it_as_it_was_sent(
    serve, children, orientation
) -> None:
    lay = LYING[orientation]
    async with serve(models_dir=children) as client:
        upright, turned = [
            (await client.post("/explain", content=content)).json()
            for content in (lying("a", ("L", "F"), UPRIGHT), lying("b", orientation, lay(UPRIGHT)))
        ]

    assert turned["prediction"] == upright["prediction"]
    assert "put_upright" in turned["image"]["warnings"]
    assert "put_upright" not in upright["image"]["warnings"]
    assert (turned["image"]["rows"], turned["image"]["columns"]) == lay(UPRIGHT).shape
    assert np.array_equal(picture(turned, "heatmap_png_base64"), lay(picture(upright, "heatmap_png_base64")))
    overlays = [picture(body, "overlay_png_base64") for body in (upright, turned)]
    for channel in range(3):
        assert np.array_equal(overlays[1][..., channel], lay(overlays[0][..., channel]))


async def test_outline_and_picture_of_the_archive_lie_on_the_film_as_it_was_sent(
    serve_dicomweb, children, archive
) -> None:
    everything = "positive=report+picture+outline,negative=report+picture+outline,abstain=report+picture+outline"
    async with serve_dicomweb(models_dir=children, pacs_url=archive.url, delivery=everything) as client:
        for name, orientation, pixels in (("a", "LF", UPRIGHT), ("b", "RF", UPRIGHT[:, ::-1])):
            await client.post("/dicomweb/studies", **stow(lying(name, orientation, pixels)))
        await until(lambda: len(archive.instances) == 6)

    columns = UPRIGHT.shape[1]
    outlines = {
        made.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID: np.concatenate(
            [
                np.reshape(graphic.GraphicData, (-1, 2))
                for graphic in made.GraphicAnnotationSequence[0].GraphicObjectSequence
            ]
        )
        for made in archive.instances
        if made.Modality == "PR"
    }
    first, second = outlines[uid("a")], outlines[uid("b")]
    assert second[:, 0].min() == pytest.approx(columns - first[:, 0].max(), abs=1)
    assert second[:, 0].max() == pytest.approx(columns - first[:, 0].min(), abs=1)
    assert second[:, 1].tolist() != []
    assert second[:, 1].min() == pytest.approx(first[:, 1].min(), abs=1)
