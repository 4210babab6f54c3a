"""Rules of answers that are given again to films of the same bytes, through the app."""

import gc
import json
import weakref
from base64 import b64decode

import pytest

from tests.service.answers.test_suspension import STOP
from tests.service.audit.lines import records
from tests.service.bundles import write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.security.test_authentication import Keys

pytestmark = pytest.mark.anyio

FILM, OTHER = flat_film(200), flat_film(60)
ON = {"result_cache_bytes": 2**20}


def send(client, film=FILM, path="/predict", **options):
    return client.post(path, files={"file": ("film", film)}, **options)


def computed(client):
    """Films that reached the network."""
    return client.services.metrics.bundle().registry.get_sample_value("cxr_images_total")


def is_hit(answer):
    return answer.headers.get("Cache-Status") == "cxr; hit"


async def test_every_film_is_computed_unless_the_cache_is_switched_on(client) -> None:
    answers = [await send(client), await send(client)]

    assert computed(client) == 2
    assert not any(map(is_hit, answers))


async def test_the_same_film_is_computed_once_and_the_request_is_the_present_one(serve) -> None:
    async with serve(**ON) as client:
        first = await send(client, headers={"X-Request-ID": "first"})
        again = await send(client, headers={"X-Request-ID": "again"})
        other = await send(client, OTHER)
        films = computed(client)

    assert [is_hit(answer) for answer in (first, again, other)] == [False, True, False]
    assert films == 2
    assert (first.json()["request_id"], again.json()["request_id"]) == ("first", "again")
    for field in ("model", "route", "prediction", "image", "mode"):
        assert again.json()[field] == first.json()[field]
    stages = again.json()["timings_ms"]
    assert [stages[stage] for stage in ("decode", "preprocess", "queue", "inference")] == [0, 0, 0, 0]
    assert stages["total"] > 0


@pytest.mark.parametrize(
    "other",
    [
        {"params": {"age": "4"}},
        {"params": {"view": "PA"}},
        {"path": "/explain"},
        {"files": {"file": ("film", FILM, "image/jpeg")}},
    ],
)
async def test_what_changes_the_answer_is_a_part_of_the_question(serve, other) -> None:
    async with serve(**ON) as client:
        await send(client)
        options = {"path": "/predict", "files": {"file": ("film", FILM)}} | other
        asked_otherwise = await client.post(options.pop("path"), **options)

    assert not is_hit(asked_otherwise)


async def test_how_urgent_a_film_is_and_how_it_is_packed_changes_nothing(serve) -> None:
    async with serve(**ON) as client:
        first = await client.post("/predict", content=FILM)
        urgent = await send(client, params={"priority": "stat"}, headers={"X-Deadline-Ms": "20000"})
        batch = await client.post("/predict/batch", files=[("files", ("a", FILM)), ("files", ("b", OTHER))])
        films = computed(client)

    assert is_hit(urgent)
    assert batch.json()["results"][0]["prediction"] == first.json()["prediction"]
    assert films == 2  # FILM once, OTHER once


@pytest.mark.parametrize("accept", ["application/json", "image/png"])
async def test_an_explanation_is_kept_whole_for_its_finding_and_method(serve, accept) -> None:
    async with serve(**ON) as client:
        ask = {"path": "/explain", "headers": {"Accept": accept}}
        first = await send(client, **ask)
        again = await send(client, **ask)
        of_another = await send(client, params={"finding": "NORMAL"}, **ask)
        by_another = await send(client, params={"method": "gradcam++"}, **ask)

    assert [is_hit(each) for each in (first, again, of_another, by_another)] == [False, True, False, False]
    if accept == "image/png":
        assert again.content == first.content
    else:
        assert again.json()["explanation"] == first.json()["explanation"]


async def test_an_answer_counts_with_its_bytes(serve) -> None:
    async with serve(**ON) as client:
        answer = await send(client, path="/explain")
        used = client.services.metrics.registry.get_sample_value("cxr_result_cache_bytes")

    pictures = sum(
        len(b64decode(answer.json()["explanation"][f"{name}_png_base64"])) for name in ("heatmap", "overlay")
    )
    words = sum(len(json.dumps(answer.json()[part], separators=(",", ":"))) for part in ("prediction", "image"))
    assert pictures + words < used < pictures + words + 4096


async def test_every_repeated_answer_is_in_the_audit_log_as_repeated(serve, log) -> None:
    async with serve(audit_file=log, **ON) as client:
        await send(client, headers={"X-Request-ID": "first"})
        await send(client, headers={"X-Request-ID": "again"})
        await client.post("/predict/batch", files=[("files", ("a", FILM))], headers={"X-Request-ID": "batch"})
    films = [line for line in records(log) if line["event"] == "film"]

    assert [(line["request_id"], line.get("repeated")) for line in films] == [
        ("first", None),
        ("again", True),
        ("batch", True),
    ]
    for name in ("film_sha256", "model_sha256", "label", "decision", "outcome"):
        assert len({line[name] for line in films}) == 1


async def test_nothing_is_answered_that_the_log_cannot_record(serve, log) -> None:
    async with serve(audit_file=log, **ON) as client:
        await send(client)
        client.services.audit._failed("disk full", lost=0)
        refused = await send(client)

    assert (refused.status_code, refused.json()["code"]) == (503, "audit_unavailable")


async def test_a_suspended_service_withholds_an_answer_that_was_kept_and_lifts_it_again(serve) -> None:
    async with serve(**ON) as client:
        before = await send(client)
        client.services.stop.suspension = STOP
        withheld = await send(client)
        while_stopped = await send(client, OTHER)
        client.services.stop.suspension = None
        after = await send(client)
        other_after = await send(client, OTHER)

    assert withheld.json()["prediction"]["abstention_reasons"][0] == "suspended"
    assert is_hit(withheld)
    assert after.json()["prediction"] == before.json()["prediction"]
    assert "suspended" not in other_after.json()["prediction"]["abstention_reasons"]
    assert while_stopped.json()["prediction"]["decision"] == "abstain" != other_after.json()["prediction"]["decision"]


async def test_who_may_see_a_kept_answer_is_decided_for_each_caller(serve, tmp_path) -> None:
    keys = Keys(tmp_path / "keys.json")
    judge, ris = (
        {"X-API-Key": keys.add(name, "predict", *more)} for name, more in (("judge", ("trial",)), ("ris", ()))
    )
    async with serve(mode="silent", api_keys_file=keys.path, **ON) as client:
        of_judge = await send(client, headers=judge)
        of_ris = await send(client, headers=ris)
        of_nobody = await send(client)
        heat_map_of_ris = await send(client, path="/explain", headers=ris)

    assert of_judge.json()["prediction"]["label"] == "PNEUMONIA"
    assert is_hit(of_ris)
    assert of_ris.json()["prediction"]["abstention_reasons"] == ["silent"]
    assert of_ris.json()["prediction"]["probabilities"] == {}
    assert (of_nobody.status_code, heat_map_of_ris.status_code) == (401, 403)


async def test_another_bundle_answers_anew_and_the_old_one_is_not_held(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    async with serve(models_dir=tmp_path, model_poll_s=3600, **ON) as client:
        first = await send(client)
        old = weakref.ref(client.services.deployments.live[0])
        write_tiny_bundle(tmp_path, version="2.0.0")
        await client.post("/models/tiny/2.0.0/activate")
        swapped = await send(client)
        rolled_back = await client.post("/models/rollback")
        again = await send(client)
        await client.post("/models/tiny/2.0.0/activate")
        gc.collect()

    assert first.json()["model"]["version"] == "1.0.0" == again.json()["model"]["version"]
    assert (swapped.json()["model"]["version"], is_hit(swapped)) == ("2.0.0", False)
    assert rolled_back.status_code == 200
    assert is_hit(again)  # the bundle of before is the same one
    assert old() is None


async def test_answers_are_counted_alike_and_their_stages_are_not(serve) -> None:
    async with serve(**ON) as client:
        await send(client)
        await send(client)
        families = client.services.metrics.bundle().registry.collect()
        registry = client.services.metrics.registry
        hits = registry.get_sample_value("cxr_result_cache_requests_total", {"result": "hit"})
        runs = registry.get_sample_value("cxr_stage_duration_seconds_count", {"stage": "inference"})
    predictions = [family for family in families if family.name == "cxr_predictions"]

    assert sum(sample.value for family in predictions for sample in family.samples) == 2
    assert (hits, runs) == (1, 1)


async def test_a_film_that_is_refused_is_refused_again(serve) -> None:
    async with serve(**ON) as client:
        answers = [await send(client, b"not a film") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [415, 415]
    assert not any(map(is_hit, answers))
