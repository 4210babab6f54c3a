"""Rules of the inference addresses: the films that `POST /predict` reads, with the same answers."""

import base64
import json

import numpy as np
import pytest

from imaging.decode import DecodeLimits, decode
from imaging.preprocess import prepare
from schemas.preprocess import PreprocessSpec
from service.http.routes.inference_protocol.wire import HEADER
from tests.service.bundles import CHILDREN, change_manifest, write_tiny_bundle
from tests.service.conftest import flat_film, halves
from tests.service.network import SIDE
from tests.service.security.test_authentication import Keys

pytestmark = pytest.mark.anyio

INFER = "/v2/models/tiny/infer"
BRIGHT = flat_film(200)
DARK = flat_film(60)


def films(*contents, **more):
    data = [base64.b64encode(each).decode() for each in contents]
    return {"inputs": [{"name": "film", "datatype": "BYTES", "shape": [len(data)], "data": data}]} | more


def pixels(content):
    """What the service makes of a film: float32 [1, S, S]."""
    return prepare(decode(content, limits=DecodeLimits()), PreprocessSpec(size=SIDE))


def images(*arrays, **more):
    stacked = np.stack(arrays)
    tensor = {"name": "image", "datatype": "FP32", "shape": list(stacked.shape), "data": stacked.ravel().tolist()}
    return {"inputs": [tensor]} | more


def outputs(response):
    assert response.status_code == 200, response.text
    return {each["name"]: each["data"] for each in response.json()["outputs"]}


def answers(response):
    return [json.loads(each) for each in outputs(response)["answer"]]


async def test_a_whole_film_gets_the_answer_of_predict_as_tensors_and_as_its_json(client) -> None:
    predicted = (await client.post("/predict", content=BRIGHT)).json()
    response = await client.post(INFER, json=films(BRIGHT, id="film-7"), headers={"X-Request-ID": "r-1"})

    (answer,) = answers(response)
    assert answer["prediction"] == predicted["prediction"]
    assert answer["image"] == predicted["image"]
    assert answer["model"] == predicted["model"]
    tensors = outputs(response)
    prediction = predicted["prediction"]
    assert tensors["probabilities"] == pytest.approx(list(prediction["probabilities"].values()), abs=1e-6)
    assert tensors["label"] == [prediction["label"]]
    assert tensors["decision"] == tensors["finding_decisions"] == [prediction["decision"]] == ["positive"]
    assert tensors["in_distribution"] == [1]
    assert tensors["out_of_distribution_score"] == pytest.approx([prediction["out_of_distribution_score"]])
    body = response.json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("tiny", "1.0.0", "film-7")
    assert body["parameters"] == {"request_id": "r-1", "classes": ["NORMAL", "PNEUMONIA"], "mode": "active"}


async def test_prepared_pixels_get_the_same_prediction_and_the_answer_says_that_no_file_was_checked(client) -> None:
    predicted = (await client.post("/predict", content=BRIGHT)).json()

    (answer,) = answers(await client.post(INFER, json=images(pixels(BRIGHT))))

    assert answer["prediction"] == predicted["prediction"]
    assert answer["image"] == {
        "format": "tensor",
        "rows": SIDE,
        "columns": SIDE,
        "bits": 32,
        "photometric_interpretation": "MONOCHROME2",
        "warnings": ["prepared_by_caller"],
    }
    metadata = (await client.get("/v2/models/tiny")).json()["parameters"]
    assert any("low_contrast" in unchecked for unchecked in metadata["not_checked_of_image"])
    assert metadata["preprocess"]["size"] == SIDE


async def test_pixels_unlike_the_training_films_are_out_of_distribution(client) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (1, SIDE, SIDE)).astype(np.float32)
    (sent,) = answers(await client.post(INFER, json=images(noise)))
    as_file = flat_film(255)
    (predicted,) = answers(await client.post(INFER, json=films(as_file)))
    (prepared,) = answers(await client.post(INFER, json=images(pixels(as_file))))

    assert sent["prediction"]["out_of_distribution_score"] is not None
    assert prepared["prediction"]["in_distribution"] is predicted["prediction"]["in_distribution"] is False
    assert prepared["prediction"]["decision"] == "abstain"


async def test_what_a_guide_sees_of_pixels_it_judges_as_of_a_film(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, alone=True, guide=True)
    async with serve(models_dir=tmp_path) as client:
        child, adult = answers(await client.post(INFER, json=images(*map(pixels, (halves(166, 166), halves(250, 20))))))

    assert (child["prediction"]["decision"], adult["prediction"]["decision"]) == ("positive", "abstain")
    assert adult["prediction"]["abstention_reasons"][0] == "outside_population"
    assert len(adult["prediction"]["findings"]) == 3


async def test_several_films_are_answered_in_their_order_and_outputs_may_be_chosen(client) -> None:
    response = await client.post(INFER, json=films(DARK, BRIGHT, outputs=[{"name": "label"}]))

    assert outputs(response) == {"label": ["NORMAL", "PNEUMONIA"]}


async def test_a_body_without_json_is_one_film(client) -> None:
    response = await client.post(INFER, content=DARK, headers={HEADER: "0"})

    assert outputs(response)["label"] == ["NORMAL"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (films(b"# Read me"), 415, "unsupported_image"),
        (films(BRIGHT, b"# Read me"), 415, "unsupported_image: film 1 of 0 to 1"),
        (films(BRIGHT[:200]), 422, "invalid_image"),
        (films(*[BRIGHT] * 33), 413, "body_too_large"),
        (films(), 422, "invalid_parameter"),
        ({"inputs": []}, 400, "malformed_request"),
        (images(np.full((1, SIDE, SIDE), 1.5, np.float32)), 422, "invalid_parameter: a pixel"),
        (images(np.full((1, SIDE, SIDE), -0.1, np.float32)), 422, "invalid_parameter: a pixel"),
        (images(np.zeros((1, SIDE, SIDE + 1), np.float32)), 422, "invalid_parameter: the input image"),
        (films(BRIGHT, outputs=[{"name": "x"}]), 422, "invalid_parameter"),
        (films(BRIGHT, outputs=[{"name": "label", "parameters": {"classification": 2}}]), 422, "invalid_parameter"),
        (films(BRIGHT, parameters={"priority": "soon"}), 422, "invalid_parameter"),
        (films(BRIGHT, parameters={"priority": [1]}), 422, "invalid_parameter"),
        (films(BRIGHT, parameters={"timeout": "soon"}), 422, "invalid_parameter"),
        (films(BRIGHT, parameters={"age": 4}), 422, "invalid_parameter"),
        (films(BRIGHT, parameters={"population": "martian"}), 422, "invalid_parameter"),
    ],
)
async def test_a_failure_is_worded_as_the_protocol_has_it(client, body, status, code) -> None:
    response = await client.post(INFER, json=body)

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert list(response.json()) == ["error"]
    assert response.json()["error"].startswith(code)


async def test_what_is_not_a_number_among_the_pixels_is_refused(client) -> None:
    array = np.full((1, 1, SIDE, SIDE), np.nan, "<f4")
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 1, SIDE, SIDE]}
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": array.nbytes}}]}).encode()

    response = await client.post(INFER, content=head + array.tobytes(), headers={HEADER: str(len(head))})

    assert (response.status_code, response.json()["error"][:17]) == (422, "invalid_parameter")


async def test_a_failed_film_gives_its_places_back(serve) -> None:
    async with serve(max_queue=4, max_batch_items=2) as client:
        for _ in range(3):
            assert (await client.post(INFER, json=films(BRIGHT, b"x"))).status_code == 415
        assert client.services.metrics.inflight_images._value.get() == 0
        assert (await client.post(INFER, json=films(BRIGHT, DARK))).status_code == 200


async def test_parameters_of_the_body_are_those_of_predict(serve, tmp_path) -> None:
    change_manifest(write_tiny_bundle(tmp_path), population=CHILDREN.model_dump())
    async with serve(models_dir=tmp_path) as client:
        asked = {"priority": 1, "timeout": 20_000_000, "age": "40"}
        (grown,) = answers(await client.post(INFER, json=films(BRIGHT, parameters=asked)))
        (young,) = answers(await client.post(f"{INFER}?age=4", json=films(BRIGHT)))
        twice = await client.post(f"{INFER}?age=4", json=films(BRIGHT, parameters={"age": "4"}))
        late = await client.post(INFER, json=films(BRIGHT, parameters={"timeout": 1000}))

    assert grown["prediction"]["abstention_reasons"] == ["outside_population"]
    assert young["prediction"]["decision"] == "positive"
    assert (twice.status_code, late.status_code) == (422, 504)


@pytest.mark.parametrize("path", ["", "/ready", "/infer"])
async def test_each_of_several_bundles_is_asked_by_its_name_and_version(serve, tmp_path, path) -> None:
    write_tiny_bundle(tmp_path, name="first")
    write_tiny_bundle(tmp_path, name="second", version="2.0.0", alone=True)

    async def ask(client, model):
        if path == "/infer":
            return await client.post(f"/v2/models/{model}{path}", json=films(BRIGHT))
        return await client.get(f"/v2/models/{model}{path}")

    async with serve(models_dir=tmp_path, models="first,second") as client:
        answered = [await ask(client, model) for model in ("first", "second", "second/versions/2.0.0")]
        unknown = [await ask(client, model) for model in ("third", "second/versions/1.0.0")]

    assert [each.status_code for each in answered] == [200] * 3
    named = [each.json().get("model_name", each.json().get("name")) for each in answered]
    assert named == ["first", "second", "second"]
    assert [each.status_code for each in unknown] == [404] * 2
    assert [list(each.json()) for each in unknown] == [["error"]] * 2


async def test_health_follows_the_service(serve) -> None:
    async with serve() as client:
        assert (await client.get("/v2/health/live")).json() == {"live": True}
        assert (await client.get("/v2/health/ready")).json() == {"ready": True}
        client.services.admission.drain()
        statuses = [(await client.get(f"/v2/{path}")).status_code for path in ("health/ready", "models/tiny/ready")]
        refused = await client.post(INFER, json=films(BRIGHT))
        head = await client.head("/v2/health/ready")

        assert (await client.get("/v2/health/live")).status_code == 200
    assert statuses == [503, 503]
    assert (refused.status_code, list(refused.json()), refused.headers["Retry-After"]) == (503, ["error"], "5")
    assert (head.status_code, head.content) == (503, b"")


async def test_callers_need_the_scope_of_predict_and_are_counted_and_recorded(serve, tmp_path, log) -> None:
    keys = Keys(tmp_path / "keys.json")
    film = {"X-API-Key": keys.add("a", "predict")}
    other = {"X-API-Key": keys.add("b", "metrics")}
    reader = {"X-API-Key": keys.add("c", "read")}
    async with serve(api_keys_file=keys.path, audit_file=log) as client:
        got = [
            (await client.post(INFER, json=films(BRIGHT), headers=headers)).status_code
            for headers in ({}, other, reader, film)
        ]
        seen = [(await client.get("/v2/models/tiny", headers=headers)).status_code for headers in ({}, reader)]
        open_to_all = (await client.get("/v2/health/ready")).status_code

    assert (got, seen, open_to_all) == ([401, 403, 403, 200], [401, 200], 200)
    recorded = [json.loads(line) for line in log.read_text().splitlines()]
    (answered,) = [each for each in recorded if each.get("decision")]
    assert (answered["route"], answered["decision"]) == ("/v2/models/{name}/infer", "positive")
    assert "film_sha256" in answered


async def test_a_silent_service_shows_nothing_that_it_found(serve, tmp_path) -> None:
    keys = Keys(tmp_path / "keys.json")
    ward = {"X-API-Key": keys.add("ward", "predict")}
    async with serve(mode="silent", api_keys_file=keys.path) as client:
        tensors = outputs(await client.post(INFER, json=films(BRIGHT), headers=ward))

    assert tensors["probabilities"] == [None, None]
    assert (tensors["label"], tensors["decision"], tensors["finding_decisions"]) == ([""], ["abstain"], ["abstain"])
    assert (tensors["in_distribution"], tensors["out_of_distribution_score"]) == ([-1], [None])
    assert "positive" not in tensors["answer"][0]


async def test_an_unknown_address_below_v2_fails_in_the_words_of_the_protocol_and_others_as_problems(client) -> None:
    below = await client.get("/v2/repository/index")
    beside = await client.get("/v20")

    assert (below.status_code, list(below.json())) == (404, ["error"])
    assert beside.json()["code"] == "not_found"
