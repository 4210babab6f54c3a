"""Rules of `POST /predict` and `POST /predict/batch`."""

import asyncio
import tempfile

import numpy as np
import pytest

from imaging.phantom import phantom
from schemas.api import BatchResponse, PredictResponse
from tests.fakes import GatedOpener
from tests.films import encode
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film, halves
from tests.waiting import until

pytestmark = pytest.mark.anyio

BRIGHT = flat_film(200)
DARK = flat_film(60)
PNG = {"Content-Type": "image/png"}
TRUNCATED = encode(phantom(300, 260, seed=1))[:900]


def part(data, name="x.png", media_type="image/png"):
    return (name, data, media_type)


async def test_a_film_sent_as_a_form_gets_the_contracts_body(client) -> None:
    response = await client.post("/predict", files={"file": part(BRIGHT)}, headers={"X-Request-ID": "film-1"})

    assert response.status_code == 200
    body = PredictResponse.model_validate_json(response.content)
    assert (body.request_id, body.model.name, body.model.version) == ("film-1", "tiny", "1.0.0")
    assert (body.prediction.label, body.prediction.decision) == ("PNEUMONIA", "positive")
    assert (body.image.format, body.image.rows, body.image.columns, body.image.bits) == ("png", 40, 32, 8)
    assert "low_resolution" in body.image.warnings
    assert body.timings_ms.total >= body.timings_ms.decode + body.timings_ms.preprocess + body.timings_ms.inference
    assert "Research use only" in body.disclaimer


async def test_films_that_share_a_batch_are_each_seen_by_the_guide(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, alone=True, guide=True)
    opener = GatedOpener()
    async with serve(models_dir=tmp_path, open_engine=opener, concurrent_runs=1) as client:
        opener.engine.gate.clear()
        parts = [
            ("files", part(halves(above, below))) for above, below in ((166, 166), (250, 20), (166, 166), (250, 20))
        ]
        answer = asyncio.create_task(client.post("/predict/batch", files=parts))
        await until(lambda: client.services.deployments.first.live.batcher.queue_length >= 2)
        opener.engine.gate.set()
        results = BatchResponse.model_validate_json((await answer).content).results

    assert max(len(batch) for batch in opener.engine.batches) > 1
    seen = [(item.prediction.traits["population"].value, item.prediction.decision) for item in results]
    assert seen == [("child", "positive"), ("adult", "abstain")] * 2


@pytest.mark.parametrize("media_type", ["image/png", "application/octet-stream", None, "image/png; charset=binary"])
async def test_a_film_sent_as_the_body_gets_the_same_answer(client, media_type) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}

    raw = await client.post("/predict", content=DARK, headers=headers)
    form = await client.post("/predict", files={"file": part(DARK)})

    assert raw.json()["prediction"] == form.json()["prediction"]
    assert raw.json()["prediction"]["label"] == "NORMAL"


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"", "image/png", 400, "malformed_request"),
        (b"# Read me", "image/jpeg", 415, "unsupported_image"),
        (BRIGHT, "image/jpeg", 415, "unsupported_image"),
        (BRIGHT, "text/plain", 415, "unsupported_image"),
        (b"no boundary", "multipart/form-data", 400, "malformed_request"),
        (b"no parts", "multipart/form-data; boundary=x", 400, "malformed_request"),
        (TRUNCATED, "image/jpeg", 422, "invalid_image"),
        (BRIGHT + bytes(100_000), "image/png", 413, "body_too_large"),
        (flat_film(1, rows=300, columns=300), "image/png", 413, "image_too_large"),
    ],
)
async def test_a_bad_body_is_a_problem_and_the_next_good_film_is_answered(
    serve, content, media_type, status, code
) -> None:
    async with serve(max_body_bytes=50_000, max_pixels=80_000) as client:
        response = await client.post("/predict", content=content, headers={"Content-Type": media_type})
        after = await client.post("/predict", content=BRIGHT, headers=PNG)

    problem = response.json()
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert (problem["code"], problem["type"], problem["status"]) == (code, f"urn:cxr:problem:{code}", status)
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert after.status_code == 200


async def test_a_body_that_only_proves_too_large_while_it_arrives_is_refused_too(serve) -> None:
    async def chunks():
        for _ in range(10):
            yield bytes(10_000)

    async with serve(max_body_bytes=50_000) as client:
        response = await client.post("/predict", content=chunks(), headers=PNG)

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"files": {"film": part(BRIGHT)}}, 400),
        ({"files": {"file": (None, "text")}}, 400),
        ({"files": [("file", part(BRIGHT)), ("file", part(DARK))]}, 413),
        ({"files": {"file": part(b"")}}, 422),
        ({"files": {"file": part(BRIGHT), "note": (None, "x" * 5000)}}, 400),
    ],
)
async def test_a_form_without_exactly_one_film_is_refused(client, form, status) -> None:
    response = await client.post("/predict", **form)

    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/predict?priority=Doe", {}),
        ("/predict", {"X-Deadline-Ms": "Doe"}),
        ("/predict", {"X-Deadline-Ms": "0"}),
        ("/predict", {"X-Deadline-Ms": "-5"}),
        ("/explain?method=Doe", {}),
        ("/explain?finding=Doe", {}),
    ],
)
async def test_a_parameter_outside_its_values_is_refused_and_never_echoed(client, address, headers) -> None:
    response = await client.post(address, content=BRIGHT, headers=PNG | headers)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")
    assert "Doe" not in response.text


async def test_a_problem_never_holds_the_name_of_the_file(client) -> None:
    response = await client.post("/predict", files={"file": part(b"rubbish", "Doe^John.dcm")})

    assert response.status_code == 415
    assert "Doe" not in response.text


async def test_films_larger_than_a_megabyte_never_meet_the_disk(client, monkeypatch) -> None:
    def refuse(*_args, **_kwargs) -> None:
        pytest.fail("a film was spooled to disk")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    noise = np.random.default_rng(0).integers(0, 255, (1200, 1200), np.uint8)
    response = await client.post("/predict", files={"file": part(encode(noise, ".png"))})

    assert response.status_code == 200


async def test_parallel_films_get_the_answers_that_they_get_alone(serve) -> None:
    films = [encode(phantom(60, 50, seed=seed, opacity=seed / 24), ".png") for seed in range(24)]
    async with serve(max_queue=64) as client:
        alone = [await client.post("/predict", content=film, headers=PNG) for film in films]
        together = await asyncio.gather(*(client.post("/predict", content=film, headers=PNG) for film in films))

    for one, other in zip(alone, together, strict=True):
        expected = one.json()["prediction"]["probabilities"]
        assert other.json()["prediction"]["probabilities"] == pytest.approx(expected, abs=1e-5)


async def test_a_batch_answers_each_film_and_a_broken_one_harms_no_other(client) -> None:
    films = [BRIGHT, TRUNCATED, DARK, b"", b"rubbish"]

    response = await client.post("/predict/batch", files=[("files", part(film, media_type="")) for film in films])

    assert response.status_code == 200
    results = BatchResponse.model_validate_json(response.content).results
    assert [result.filename_index for result in results] == [0, 1, 2, 3, 4]
    assert [results[index].prediction.label for index in (0, 2)] == ["PNEUMONIA", "NORMAL"]
    assert [results[index].problem.status for index in (1, 3, 4)] == [422, 422, 415]
    assert {results[index].problem.request_id for index in (1, 3, 4)} == {response.headers["X-Request-ID"]}


async def test_a_film_in_a_batch_gets_the_answer_that_it_gets_alone(client) -> None:
    batch = await client.post("/predict/batch", files=[("files", part(film)) for film in (BRIGHT, DARK)])
    alone = await client.post("/predict", content=DARK, headers=PNG)

    expected = alone.json()["prediction"]["probabilities"]
    assert batch.json()["results"][1]["prediction"]["probabilities"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("films", "status"), [(0, 400), (1, 200), (3, 200), (4, 413)])
async def test_a_batch_holds_one_to_the_configured_number_of_films(serve, films, status) -> None:
    async with serve(max_batch_items=3) as client:
        parts = [("files", part(BRIGHT))] * films or [("other", part(BRIGHT))]
        response = await client.post("/predict/batch", files=parts)

    assert response.status_code == status


async def test_beyond_the_capacity_films_are_refused_at_once_with_a_time_to_come_back(serve) -> None:
    opener = GatedOpener()
    async with serve(open_engine=opener, max_queue=3, max_batch_items=2) as client:
        opener.engine.gate.clear()
        opener.engine.batches.clear()
        held = [asyncio.create_task(client.post("/predict", content=BRIGHT, headers=PNG)) for _ in range(2)]
        await until(lambda: sum(map(len, opener.engine.batches)) == 2)
        refused = await client.post("/predict", content=DARK, headers=PNG)
        refused_batch = await client.post("/predict/batch", files=[("files", part(DARK))])
        opener.engine.gate.set()
        answered = await asyncio.gather(*held)
        after = await client.post("/predict", content=DARK, headers=PNG)
        metrics = (await client.get("/metrics")).text

    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "overloaded", "1")
    assert refused_batch.status_code == 503
    assert [response.status_code for response in (*answered, after)] == [200, 200, 200]
    assert 'cxr_shed_total{reason="queue_full"} 2.0' in metrics


async def test_a_deadline_answers_on_time_while_the_network_is_busy_and_the_film_is_never_run(serve) -> None:
    opener = GatedOpener()
    async with serve(open_engine=opener, concurrent_runs=1) as client:
        opener.engine.gate.clear()
        opener.engine.batches.clear()
        held = asyncio.create_task(client.post("/predict", content=BRIGHT, headers=PNG))
        await until(lambda: bool(opener.engine.batches))
        late = await client.post("/predict", content=DARK, headers=PNG | {"X-Deadline-Ms": "60"})
        late_batch = await client.post("/predict/batch", files=[("files", part(DARK))], headers={"X-Deadline-Ms": "60"})
        opener.engine.gate.set()
        answered = await held
        after = await client.post("/predict", content=BRIGHT, headers=PNG)

    assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
    assert late_batch.json()["results"][0]["problem"]["status"] == 504
    assert [answered.status_code, after.status_code] == [200, 200]
    assert len(opener.engine.batches) == 2


async def test_a_network_that_fails_on_one_film_is_a_500_for_that_film_alone(serve, logged) -> None:
    opener = GatedOpener(poison=round(200 / 255, 3))
    async with serve(open_engine=opener) as client:
        failed = await client.post("/predict", content=BRIGHT, headers=PNG)
        after = await client.post("/predict", content=DARK, headers=PNG)

    assert (failed.status_code, failed.json()["code"]) == (500, "inference_failed")
    assert "poisoned" not in failed.text
    assert after.status_code == 200
    assert any(event["event"] == "batch_failed" for event in logged)


async def test_a_defect_that_one_film_of_a_batch_brings_to_light_is_a_problem_of_that_film(serve, logged) -> None:
    async with serve() as client:
        client.services.decode_lanes.shutdown()
        response = await client.post("/predict/batch", files=[("files", part(DARK))])

    assert response.status_code == 200
    assert response.json()["results"][0]["problem"]["code"] == "internal"
    assert any(event["event"] == "film_failed" and event["exc_info"] for event in logged)


async def test_without_a_bundle_films_are_refused_with_the_reason(serve, tmp_path) -> None:
    async with serve(models_dir=tmp_path) as client:
        response = await client.post("/predict", content=BRIGHT, headers=PNG)

    assert (response.status_code, response.json()["code"], response.headers["Retry-After"]) == (503, "not_ready", "5")
    assert "bundle_rejected" in response.json()["detail"]
