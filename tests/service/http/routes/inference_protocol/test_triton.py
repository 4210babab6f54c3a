"""Triton's own client speaks to the service over HTTP, and gets the answers of `POST /predict`."""

import json

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from imaging.decode import DecodeLimits, decode
from imaging.phantom import phantom
from imaging.preprocess import prepare
from schemas.preprocess import PreprocessSpec
from tests.films import encode
from tests.imaging.files import dicom_bytes, dicom_dataset
from tests.service.network import SIDE
from tests.service.server import Server

FILMS = [
    encode(phantom(300, 260, seed=1, opacity=0.8)),
    encode(phantom(400, 360, seed=2), ".png"),
    dicom_bytes(dicom_dataset(phantom(320, 300, seed=3), Modality="CR")),
]
"""A JPEG, a PNG and a DICOM file."""


@pytest.fixture(scope="module")
def server(tiny_models):
    running = Server(tiny_models)
    yield running
    running.end()


@pytest.fixture
def client(server):
    connected = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    yield connected
    connected.close()


@pytest.fixture(scope="module")
def predicted(server):
    """What `POST /predict` answers about each of the films."""
    return [server.client.post("/predict", content=film).raise_for_status().json()["prediction"] for film in FILMS]


def whole(*films):
    tensor = triton.InferInput("film", [len(films)], "BYTES")
    tensor.set_data_from_numpy(np.array(films, object))
    return tensor


def prepared(films, *, binary):
    spec = PreprocessSpec(size=SIDE)
    decoded = [decode(film, limits=DecodeLimits(), min_side=spec.decoded_side) for film in films]
    pixels = np.stack([prepare(film, spec) for film in decoded])
    tensor = triton.InferInput("image", list(pixels.shape), "FP32")
    tensor.set_data_from_numpy(pixels, binary_data=binary)
    return tensor


def predictions(result):
    return [json.loads(answer)["prediction"] for answer in result.as_numpy("answer")]


@pytest.mark.scale(
    "21.5 Open Inference Protocol",
    "Triton's client finds the server and the bundle live, ready and described",
    quick=True,
)
def test_the_server_and_its_bundle_are_live_ready_and_described(client) -> None:
    metadata = client.get_model_metadata("tiny", "1.0.0")

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1.0.0")
    assert not client.is_model_ready("tiny", "9.9.9")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert {(each["name"], each["datatype"]) for each in metadata["inputs"]} == {("film", "BYTES"), ("image", "FP32")}


@pytest.mark.scale("21.5 Open Inference Protocol", "whole films as BYTES get the answers of /predict", quick=True)
def test_whole_films_in_one_batch_get_the_answers_of_predict(client, predicted) -> None:
    result = client.infer("tiny", [whole(*FILMS)], request_id="batch-1")

    assert predictions(result) == predicted
    assert result.get_response()["id"] == "batch-1"
    rows = [list(each["probabilities"].values()) for each in predicted]
    np.testing.assert_allclose(result.as_numpy("probabilities"), np.array(rows, np.float32))
    assert result.as_numpy("probabilities").shape == (3, 2)
    assert [each.decode() for each in result.as_numpy("label")] == [each["label"] for each in predicted]
    assert [each.decode() for each in result.as_numpy("decision")] == [each["decision"] for each in predicted]
    assert result.as_numpy("in_distribution").dtype == np.int8
    scores = [each["out_of_distribution_score"] for each in predicted]
    np.testing.assert_allclose(result.as_numpy("out_of_distribution_score"), np.array(scores, np.float32))


@pytest.mark.scale(
    "21.5 Open Inference Protocol", "prepared pixels as FP32, in bytes and in JSON, get the same", quick=True
)
@pytest.mark.parametrize("binary", [True, False])
def test_prepared_pixels_get_the_same_figures_in_bytes_and_in_json(client, predicted, binary) -> None:
    films = FILMS[:2]  # a file's header says more than pixels do
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label", "answer")]

    result = client.infer("tiny", [prepared(films, binary=binary)], outputs=wanted)

    answers = [json.loads(each) for each in result.as_numpy("answer")]
    for answer, expected in zip(answers, predicted, strict=False):
        assert answer["prediction"]["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
        assert answer["prediction"]["label"] == expected["label"]
        assert answer["image"]["warnings"] == ["prepared_by_caller"]
    rows = [list(each["prediction"]["probabilities"].values()) for each in answers]
    np.testing.assert_allclose(result.as_numpy("probabilities"), np.array(rows, np.float32))
    assert result.as_numpy("decision") is None


def test_a_version_priority_and_time_may_be_stated(client, predicted) -> None:
    result = client.infer("tiny", [whole(FILMS[0])], model_version="1.0.0", priority=1, timeout=20_000_000)

    assert predictions(result) == predicted[:1]


@pytest.mark.parametrize(
    ("model", "films", "status", "reason"),
    [
        ("other", FILMS[:1], "404", "no bundle of this name"),
        ("tiny", [b"# Read me"], "415", "unsupported_image"),
        ("tiny", [FILMS[0], FILMS[0][:300]], "422", "film 1 of 0 to 1"),
    ],
)
def test_a_failure_has_a_status_and_says_why(client, model, films, status, reason) -> None:
    with pytest.raises(InferenceServerException) as failure:
        client.infer(model, [whole(*films)])

    assert failure.value.status() == status
    assert reason in failure.value.message()


def test_a_compressed_request_is_refused_by_name(client) -> None:
    with pytest.raises(InferenceServerException, match="unsupported_encoding"):
        client.infer("tiny", [whole(FILMS[0])], request_compression_algorithm="gzip")
