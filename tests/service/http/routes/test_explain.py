"""Rules of `POST /explain`."""

import base64
import io
import json

import numpy as np
import pytest
from isal import isal_zlib
from PIL import Image

from imaging.decode import decode
from imaging.overlay import render
from imaging.phantom import phantom
from imaging.preprocess import prepare
from schemas.api import ExplainResponse
from schemas.preprocess import PreprocessSpec
from tests.films import encode
from tests.service.bundles import FINDINGS, write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.network import GRID, SIDE, findings_network, tiny_network

pytestmark = pytest.mark.anyio

PNG = {"Content-Type": "image/png"}
FILM = encode(phantom(80, 60, seed=4), ".png")
SPEC = PreprocessSpec(size=SIDE)


def picture(encoded):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


async def explain(client, film=FILM, **query):
    response = await client.post("/explain", content=film, headers=PNG, params=query)
    assert response.status_code == 200
    return ExplainResponse.model_validate_json(response.content)


@pytest.mark.parametrize("finding", ["NORMAL", "PNEUMONIA"])
async def test_the_heat_map_is_that_of_the_finding_asked_for(client, finding) -> None:
    radiograph = decode(FILM, min_side=SIDE)
    cam = tiny_network().gradcam(prepare(radiograph, SPEC), ["NORMAL", "PNEUMONIA"].index(finding))
    expected = np.asarray(Image.open(io.BytesIO(render(cam, radiograph, SPEC).heatmap_png))).astype(int)

    explanation = (await explain(client, finding=finding)).explanation

    assert (explanation.finding, explanation.method, explanation.backend) == (finding, "gradcam", "onnx")
    assert (explanation.layer, explanation.grid) == ("features", (GRID, GRID))
    assert np.abs(picture(explanation.heatmap_png_base64).astype(int) - expected).max() <= 1
    assert picture(explanation.overlay_png_base64).shape == (80, 60, 3)
    assert "not where disease is" in explanation.note


async def test_the_prediction_beside_an_explanation_is_that_of_predict(client) -> None:
    explained = await explain(client)
    predicted = (await client.post("/predict", content=FILM, headers=PNG)).json()

    assert explained.prediction.probabilities == pytest.approx(predicted["prediction"]["probabilities"], abs=1e-6)
    assert explained.image.model_dump(mode="json") == predicted["image"]


@pytest.mark.parametrize(("gray", "label"), [(200, "PNEUMONIA"), (60, "NORMAL")])
async def test_without_a_finding_the_predicted_label_is_explained(client, gray, label) -> None:
    assert (await explain(client, flat_film(gray))).explanation.finding == label


async def test_a_label_that_its_threshold_chose_over_a_more_probable_class_is_explained_all_the_same(client) -> None:
    film = flat_film(124)  # PNEUMONIA at .39 with a threshold of .3: NORMAL is more probable

    by_default = await explain(client, film)
    asked_for = await explain(client, film, finding="PNEUMONIA")

    assert 0.3 < by_default.prediction.probabilities["PNEUMONIA"] < 0.5
    assert by_default.explanation == asked_for.explanation
    assert by_default.explanation.finding == "PNEUMONIA"


@pytest.mark.parametrize(
    ("gray", "finding"),
    [(166, "Effusion"), (217, "Effusion"), (38, "Pneumothorax"), (102, "Pneumothorax")],
)
async def test_of_findings_that_are_judged_by_themselves_the_most_called_is_explained(
    serve, tmp_path, gray, finding
) -> None:
    write_tiny_bundle(tmp_path, alone=True, guide=True)
    film = flat_film(gray)
    radiograph = decode(film, min_side=SIDE)
    expected = {}
    for index, name in enumerate(FINDINGS):
        cam = findings_network().gradcam(prepare(radiograph, SPEC), index)
        expected[name] = np.asarray(Image.open(io.BytesIO(render(cam, radiograph, SPEC).heatmap_png))).astype(int)
    async with serve(models_dir=tmp_path) as client:
        by_default = await explain(client, film)
        asked_for = {name: (await explain(client, film, finding=name)).explanation for name in FINDINGS}

    assert by_default.explanation == asked_for[finding]
    for name, explanation in asked_for.items():
        assert explanation.finding == name
        assert np.abs(picture(explanation.heatmap_png_base64).astype(int) - expected[name]).max() <= 1


async def test_both_spellings_of_gradcam_plus_plus_in_an_address_are_understood(client) -> None:
    spelt = [
        await client.post(f"/explain?finding=PNEUMONIA&method={method}", content=FILM, headers=PNG)
        for method in ("gradcam++", "gradcam%2B%2B")
    ]
    plain = await explain(client, finding="PNEUMONIA")

    maps = [json.loads(response.content)["explanation"] for response in spelt]
    assert [entry["method"] for entry in maps] == ["gradcam++", "gradcam++"]
    assert maps[0] == maps[1]
    assert maps[0]["heatmap_png_base64"] != plain.explanation.heatmap_png_base64


async def test_a_map_that_is_zero_everywhere_has_no_center(client) -> None:
    explanation = (await explain(client, flat_film(0), finding="NORMAL")).explanation

    assert (explanation.center_of_mass, explanation.concentration) == (None, 0)
    assert picture(explanation.heatmap_png_base64).max() == 0


async def test_by_accept_the_overlay_alone_is_sent_at_the_films_aspect(client) -> None:
    response = await client.post("/explain", content=FILM, headers=PNG | {"Accept": "image/png"})

    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(response.content)).size == (60, 80)


async def test_by_accept_the_overlay_is_sent_as_a_jpeg_that_looks_like_the_png(client) -> None:
    exact = await client.post("/explain", content=FILM, headers=PNG | {"Accept": "image/png"})
    response = await client.post("/explain", content=FILM, headers=PNG | {"Accept": "image/jpeg, text/html"})

    jpeg = Image.open(io.BytesIO(response.content))
    assert (response.status_code, response.headers["Content-Type"], jpeg.format) == (200, "image/jpeg", "JPEG")
    assert jpeg.size == (60, 80)
    difference = np.asarray(jpeg).astype(int) - np.asarray(Image.open(io.BytesIO(exact.content)))
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("accept", ["image/*", "image/png, image/jpeg", "image/jpeg;q=0.5, image/png"])
async def test_a_caller_who_takes_both_pictures_gets_the_exact_one(client, accept) -> None:
    response = await client.post("/explain", content=FILM, headers=PNG | {"Accept": accept})

    assert response.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize(("accept", "encoded"), [("image/jpeg", 0), ("image/png", 1), ("application/json", 2)])
async def test_no_more_pictures_are_encoded_than_the_answer_holds(client, monkeypatch, accept, encoded) -> None:
    compress = isal_zlib.compress
    made: list[int] = []

    def count(pixels, level):
        made.append(level)
        return compress(pixels, level)

    monkeypatch.setattr(isal_zlib, "compress", count)

    response = await client.post("/explain", content=FILM, headers=PNG | {"Accept": accept})

    assert (response.status_code, len(made)) == (200, encoded)


async def test_a_large_jpeg_is_decoded_no_larger_than_the_network_needs(client) -> None:
    film = encode(phantom(800, 600, seed=4), ".jpeg")
    response = await client.post("/explain", content=film, headers={"Accept": "image/png"})

    assert Image.open(io.BytesIO(response.content)).size == (75, 100)


async def test_an_accept_header_that_nothing_satisfies_is_refused_before_the_film_is_read(client) -> None:
    response = await client.post("/explain", content=b"rubbish", headers=PNG | {"Accept": "text/html"})

    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


async def test_an_unknown_finding_is_refused_with_the_known_ones(client) -> None:
    response = await client.post("/explain?finding=FRACTURE", content=FILM, headers=PNG)

    assert response.status_code == 422
    assert "NORMAL, PNEUMONIA" in response.json()["detail"]


@pytest.mark.parametrize(
    ("maps", "choice", "remedy"),
    [
        (False, "auto", "no heat maps in its graph and no weights for torch; export it with heat maps, or adopt it"),
        (False, "onnx", "CXR_EXPLAIN_BACKEND=onnx forbids torch; set it to auto"),
        (True, "torch", "no weights for torch; export it --with-weights, or set CXR_EXPLAIN_BACKEND=auto"),
    ],
)
async def test_what_cannot_be_explained_is_refused_with_a_remedy_and_still_predicted(
    serve, tmp_path, maps, choice, remedy
) -> None:
    write_tiny_bundle(tmp_path, maps=maps)
    async with serve(models_dir=tmp_path, explain_backend=choice) as client:
        explained = await client.post("/explain", content=FILM, headers=PNG)
        predicted = await client.post("/predict", content=FILM, headers=PNG)
        (listed,) = (await client.get("/models")).json()["models"]

    assert (explained.status_code, explained.json()["code"]) == (422, "explanation_unavailable")
    assert remedy in explained.json()["detail"]
    assert predicted.status_code == 200
    assert listed["explain_backend"] is None


async def test_finer_maps_that_the_bundle_has_not_are_refused_with_those_that_it_has(client) -> None:
    response = await client.post("/explain", content=FILM, headers=PNG, params={"method": "layercam"})

    assert response.status_code == 422
    assert response.json()["code"] == "explanation_unavailable"
    assert "no maps by layercam; ask for gradcam or gradcam++" in response.json()["detail"]
