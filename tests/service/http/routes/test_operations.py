"""Rules of `/livez`, `/readyz` and `/metrics`."""

import asyncio
import shutil
import subprocess

import cv2
import pytest

from schemas.errors import SettingsError
from tests.fakes import GatedOpener
from tests.service.bundles import replace_file, write_tiny_bundle
from tests.service.conftest import flat_film

pytestmark = pytest.mark.anyio


async def test_a_service_with_a_proven_bundle_is_alive_and_ready(client) -> None:
    alive = await client.get("/livez")
    ready = await client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_a_refused_bundle_leaves_the_process_alive_and_says_why_it_is_not_ready(serve, tmp_path, logged) -> None:
    replace_file(write_tiny_bundle(tmp_path), "model.onnx", b"rubbish")
    async with serve(models_dir=tmp_path) as client:
        alive = await client.get("/livez")
        ready = await client.get("/readyz")
        metrics = (await client.get("/metrics")).text

    assert (alive.status_code, ready.status_code) == (200, 503)
    assert "bundle_rejected: model.onnx cannot be loaded" in ready.json()["detail"]
    assert 'cxr_model_loads_total{reason="bundle_rejected",result="refused"} 1.0' in metrics
    assert [event["code"] for event in logged if event["event"] == "bundle_refused"] == ["bundle_rejected"]


async def test_before_ready_every_batch_size_has_run_and_opencv_has_one_thread(serve) -> None:
    opener = GatedOpener()
    async with serve(open_engine=opener, max_batch_size=4):
        sizes = [len(batch) for batch in opener.engine.batches]

        assert sizes[-3:] == [1, 2, 4]
        assert cv2.getNumThreads() == 1


async def test_a_dead_batching_loop_is_visible(client) -> None:
    (consumer, *_) = client.services.deployments.first.live.batcher._consumers
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer

    assert (await client.get("/livez")).status_code == 503


async def test_when_the_app_ends_its_batching_loops_have_ended(serve) -> None:
    async with serve() as client:
        batcher = client.services.deployments.first.live.batcher
        assert batcher.alive

    assert not batcher.alive


async def test_a_provider_that_is_not_there_stops_the_start(serve, logged) -> None:
    with pytest.raises(SettingsError):
        async with serve(provider="cuda"):
            pass

    assert any(event["event"] == "start_refused" for event in logged)


async def test_the_metrics_tell_what_was_answered(client) -> None:
    for film in (flat_film(200), flat_film(60), b"rubbish"):
        await client.post("/predict", content=film)
    text = (await client.get("/metrics")).text

    for line in (
        "cxr_images_total 2.0",
        'cxr_predictions_total{decision="positive",label="PNEUMONIA"} 1.0',
        'cxr_predictions_total{decision="negative",label="NORMAL"} 1.0',
        'cxr_input_rejects_total{reason="unsupported_image"} 1.0',
        'cxr_stage_duration_seconds_count{stage="upload"} 3.0',
        'cxr_stage_duration_seconds_count{stage="decode"} 2.0',
        'cxr_stage_duration_seconds_count{stage="inference"} 2.0',
        'cxr_prediction_probability_count{label="PNEUMONIA"} 2.0',
        "cxr_out_of_distribution_score_count 2.0",
        'cxr_input_quality_count{signal="mean"} 2.0',
        "cxr_queue_capacity 64.0",
        "cxr_inflight_images 0.0",
        "cxr_queue_depth 0.0",
        'cxr_model_loads_total{reason="",result="loaded"} 1.0',
    ):
        assert line in text
    assert 'name="tiny",provider="cpu",version="1.0.0"} 1.0' in text
    assert "_created" not in text


async def test_two_apps_do_not_share_their_metrics(serve) -> None:
    async with serve() as first, serve() as second:
        await first.post("/predict", content=flat_film(200))

        assert "cxr_images_total 1.0" in (await first.get("/metrics")).text
        assert "cxr_images_total 0.0" in (await second.get("/metrics")).text


@pytest.mark.process
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not on PATH")
async def test_promtool_finds_nothing_to_say_about_the_metrics(client) -> None:
    await client.post("/predict", content=flat_film(200))
    await client.post("/explain", content=flat_film(200))
    text = (await client.get("/metrics")).content

    checked = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@pytest.mark.parametrize("version", ["a.b.c", "1.0.0.x", "", "9" * 5000, "1.0.0é"])
async def test_metrics_are_answered_as_text_where_no_version_is_asked_for(client, version) -> None:
    headers = {"Accept": f"application/openmetrics-text;version={version}".encode()}
    answer = await client.get("/metrics", headers=headers)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


@pytest.mark.parametrize("version", ["1.0.0", '"1.0.0"', " 1.0.0 "])
async def test_metrics_are_answered_as_open_metrics_where_a_scraper_asks_for_them(client, version) -> None:
    lines = [("Accept", "text/html"), ("Accept", f"application/openmetrics-text; version={version};q=0.8")]
    del client.headers["Accept"]
    answer = await client.get("/metrics", headers=lines)

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
