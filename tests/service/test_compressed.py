"""Rules of compressed films, colour films and lateral views, as the service answers them."""

import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from imaging.phantom import phantom
from service.settings import LimitSettings
from tests.imaging.compressed import ENCODERS, compressed_film, encapsulated_film, killers
from tests.imaging.files import dicom_bytes, dicom_dataset

pytestmark = [pytest.mark.process, pytest.mark.anyio]

FILM = phantom(64, 48, seed=2, opacity=0.8)
PLAIN = dicom_bytes(dicom_dataset(FILM))
LOSSLESS = [syntax for syntax in ENCODERS if TRANSFER_SYNTAXES[syntax].lossless]
_, KILLER_SYNTAX, KILLER = killers(FILM)[0]


async def prediction(client, film):
    response = await client.post("/predict", content=film)
    assert response.status_code == 200, response.text
    return response.json()["prediction"]


async def deaths(client):
    text = (await client.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("cxr_decode_worker_deaths_total ")]
    return float(line.split()[1])


async def test_a_losslessly_compressed_film_gets_the_answer_of_the_uncompressed_one(client) -> None:
    expected = await prediction(client, PLAIN)

    for syntax in LOSSLESS:
        assert await prediction(client, compressed_film(FILM, syntax)) == expected
    assert await deaths(client) == 0


async def test_a_film_that_kills_its_decoder_is_invalid_is_counted_and_harms_no_other(client, logged) -> None:
    good = compressed_film(FILM, uid.JPEGLossless)
    killer = encapsulated_film(KILLER, KILLER_SYNTAX, FILM)
    parts = [("files", ("film", film)) for film in (good, killer, good, killer, PLAIN)]
    results = (await client.post("/predict/batch", files=parts)).json()["results"]

    assert ["prediction" in result for result in results] == [True, False, True, False, True]
    assert {result["problem"]["code"] for result in results if "problem" in result} == {"invalid_image"}
    reasons = [event["reason"] for event in logged if event["event"] == "decode_worker_died"]
    assert await deaths(client) == len(reasons)
    # Seen before the word that the frame arrived, a death counts as an idle child's, and the frame is tried again.
    assert (reasons.count("crashed"), set(reasons) - {"lost"}) == (2, {"crashed"})
    assert (await client.post("/predict", content=good)).status_code == 200


async def test_a_film_that_takes_longer_than_the_setting_is_invalid(serve) -> None:
    large = compressed_film(phantom(3000, 2500, seed=1), uid.JPEG2000)
    async with serve(decode_timeout_s=1) as client:
        client.services.frame_decoder._timeout_s = 0.01  # a test need not wait for the smallest setting
        response = await client.post("/predict", content=large)

        assert (response.status_code, response.json()["code"]) == (422, "invalid_image")
        assert await deaths(client) == 1


@pytest.mark.parametrize("view", ["LL", "RL", "LATERAL"])
async def test_a_lateral_film_is_not_answered(client, view) -> None:
    body = (await client.post("/predict", content=dicom_bytes(dicom_dataset(FILM, ViewPosition=view)))).json()

    assert (body["prediction"]["decision"], body["prediction"]["confidence_band"]) == ("abstain", "low")
    assert "on frontal films alone" in body["prediction"]["recommendation"]
    assert "not_frontal" in body["image"]["warnings"]


async def test_the_capabilities_are_what_the_tables_and_settings_say(client) -> None:
    body = (await client.get("/capabilities")).json()

    assert {row["uid"]: row["lossless"] for row in body["transfer_syntaxes"]} == {
        syntax: row.lossless for syntax, row in TRANSFER_SYNTAXES.items()
    }
    assert {"name": "RLE Lossless", "uid": "1.2.840.10008.1.2.5", "lossless": True} in body["transfer_syntaxes"]
    assert body["media_types"] == ["image/jpeg", "image/png", "application/dicom"]
    assert body["modalities"] == ["CR", "DX"]
    assert body["stored_sop_classes"] == []
    assert (body["limits"]["max_pixels"], body["limits"]["decode_timeout_s"]) == (LimitSettings().max_pixels, 20)


async def test_fragments_that_hold_nothing_are_invalid_and_need_no_new_child(client) -> None:
    empty = encapsulated_film(encapsulate([b"\0\0"]), uid.JPEG2000Lossless, FILM)

    assert (await client.post("/predict", content=empty)).json()["code"] == "invalid_image"
    assert await deaths(client) == 0
