"""Rules of swapping the bundle that serves, through the app."""

import asyncio
import os
import re
import shutil
import threading

import pytest

from service.engine.engine import OnnxEngine
from tests.fakes import GatedOpener
from tests.service.bundles import make_current, write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.spoilt import SPOILT, flipped, looping
from tests.waiting import until

pytestmark = pytest.mark.anyio

FILM = flat_film(200)
SOON = {"model_poll_s": 0.01}


async def version(client):
    response = await client.post("/predict", content=FILM)
    assert response.status_code == 200, response.text
    return response.json()["model"]["version"]


async def until_it_answers(client, wanted) -> None:
    async def answers() -> bool:
        return await version(client) == wanted

    await until(answers)


def refused(client):
    return {str(address): reason for address, reason in client.services.deployments.first.refused.items()}


def metric(text, name):
    return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


async def test_a_bundle_that_is_published_and_made_current_serves_without_a_restart(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    async with serve(models_dir=tmp_path, **SOON) as client:
        before = await version(client)
        write_tiny_bundle(tmp_path, version="2.0.0")
        await until_it_answers(client, "2.0.0")
        models = (await client.get("/models")).json()["models"]
        page = (await client.get("/metrics")).text

    assert before == "1.0.0"
    assert [(model["version"], model["serving"]) for model in models] == [("1.0.0", False), ("2.0.0", True)]
    assert metric(page, 'cxr_model_loads_total{reason="",result="loaded"}') == 2
    assert page.count("cxr_model_info{") == 1
    assert 'version="2.0.0"} 1.0' in page


async def test_with_a_name_in_the_settings_its_newest_version_serves(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.9.0")
    async with serve(models_dir=tmp_path, model="tiny", **SOON) as client:
        write_tiny_bundle(tmp_path, version="1.10.0", current=False)

        await until_it_answers(client, "1.10.0")


async def test_a_refused_version_gives_way_to_the_next_and_the_service_is_ready(serve, tmp_path, logged) -> None:
    for number in ("1.0.0", "2.0.0", "3.0.0", "4.0.0-rc1"):
        write_tiny_bundle(tmp_path, version=number)
    for bad in ("2.0.0", "3.0.0"):
        flipped(tmp_path / "tiny" / bad)
    async with serve(models_dir=tmp_path, model="tiny", **SOON) as client:
        ready = await client.get("/readyz")
        first = await version(client)
        kept = [event["tried"] for event in logged if event["event"] == "bundle_kept"]
        for _ in range(3):
            await client.services.deployments.first._look()
        refusals = [event["event"] for event in logged].count("bundle_refused")
        listed = (await client.get("/models")).json()["models"]

    assert (ready.status_code, first) == (200, "1.0.0")
    assert kept == ["tiny/3.0.0", "tiny/2.0.0"]
    assert refusals == 2
    assert [model["version"] for model in listed if model["refused"]] == ["2.0.0", "3.0.0"]


async def test_while_a_newer_version_is_bad_the_one_that_serves_is_not_loaded_again(serve, tmp_path, logged) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    async with serve(models_dir=tmp_path, model="tiny", model_poll_s=3600) as client:
        live = client.services.deployments.first.live
        flipped(write_tiny_bundle(tmp_path, version="2.0.0", current=False))
        await client.services.deployments.first._look()

        assert client.services.deployments.first.live is live
        assert refused(client).keys() == {"tiny/2.0.0"}
    assert [event["event"] for event in logged].count("bundle_loaded") == 1


async def test_files_that_are_copied_over_themselves_leave_the_bundle_and_the_way_back_alone(serve, tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path, version="1.0.0")
    async with serve(models_dir=tmp_path, model_poll_s=3600) as client:
        live = client.services.deployments.first.live
        for path in directory.iterdir():
            path.write_bytes(path.read_bytes())
        await client.services.deployments.first._look()

        assert client.services.deployments.first.live is live
        assert (await client.post("/models/rollback")).status_code == 409


async def test_other_content_of_equal_size_and_time_is_noticed_and_refused(serve, tmp_path) -> None:
    graph = write_tiny_bundle(tmp_path, version="1.0.0") / "model.onnx"
    async with serve(models_dir=tmp_path, **SOON) as client:
        was = graph.stat()
        graph.write_bytes(graph.read_bytes()[::-1])
        os.utime(graph, ns=(was.st_atime_ns, was.st_mtime_ns))
        await until(lambda: refused(client))

        assert "it was altered" in refused(client)["tiny/1.0.0"]
        assert await version(client) == "1.0.0"


async def test_a_version_below_the_least_is_not_served_again_by_choice_or_by_hand(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.9.0")
    write_tiny_bundle(tmp_path, version="1.10.0")
    async with serve(models_dir=tmp_path, least_version="1.10.0", **SOON) as client:
        make_current(tmp_path, "tiny/1.9.0")
        await until(lambda: refused(client))
        activated = await client.post("/models/tiny/1.9.0/activate")

        assert "older than the least version, 1.10.0" in refused(client)["tiny/1.9.0"]
        assert (activated.status_code, await version(client)) == (409, "1.10.0")


async def test_a_service_that_found_no_bundle_serves_the_first_that_appears(serve, tmp_path) -> None:
    async with serve(models_dir=tmp_path, **SOON) as client:
        before = await client.get("/readyz")
        write_tiny_bundle(tmp_path)
        await until(lambda: client.services.deployments.first.live is not None)

        assert (before.status_code, (await client.get("/readyz")).status_code) == (503, 200)


async def test_a_bundle_that_was_withdrawn_by_hand_stays_so_after_a_look_that_failed(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    async with serve(models_dir=tmp_path, model_poll_s=3600) as client:
        look = client.services.deployments.first._look
        write_tiny_bundle(tmp_path, version="2.0.0")
        await look()
        await client.post("/models/rollback")
        (tmp_path / "current").write_text("tiny/3.0")  # half written
        await look()
        (tmp_path / "current").write_text("tiny/2.0.0\n")
        await look()

        assert await version(client) == "1.0.0"


@pytest.mark.parametrize(("spoil", "reason"), SPOILT.values(), ids=SPOILT)
async def test_a_bad_candidate_is_refused_with_its_reason_and_the_old_one_serves(
    serve, tmp_path, logged, spoil, reason
) -> None:
    write_tiny_bundle(tmp_path / "models", version="1.0.0")
    spoil(write_tiny_bundle(tmp_path / "elsewhere", version="2.0.0"))
    async with serve(models_dir=tmp_path / "models", **SOON) as client:
        publish(tmp_path, "2.0.0")
        await until(lambda: refused(client))
        listed = (await client.get("/models")).json()["models"]
        page = (await client.get("/metrics")).text

        assert await version(client) == "1.0.0"
    assert re.search(reason, listed[1]["refused"])
    assert metric(page, 'cxr_model_loads_total{reason="bundle_rejected",result="refused"}') == 1
    assert any(event["event"] == "bundle_refused" and event["reason"] == listed[1]["refused"] for event in logged)


def publish(folder, wanted) -> None:
    """Whole at once, as `export` does it."""
    (folder / "elsewhere" / "tiny" / wanted).rename(folder / "models" / "tiny" / wanted)
    make_current(folder / "models", f"tiny/{wanted}")


class SlowOpener:
    """The real engine, which runs many times over where the bundle is version 2."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self, bundle, **options):
        engine = OnnxEngine.open(bundle, **options)
        return Slow(engine, self.times) if bundle.manifest.version == "2.0.0" else engine


class Slow:
    def __init__(self, behind, times: int) -> None:
        self.behind = behind
        self.times = times

    def run(self, images, targets):
        for _ in range(self.times - 1):
            self.behind.run(images, targets)
        return self.behind.run(images, targets)

    def interrupt(self, longest_s) -> None:
        self.behind.interrupt(longest_s)


async def test_a_network_ten_times_as_slow_is_refused(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    async with serve(models_dir=tmp_path, open_engine=SlowOpener(100), **SOON) as client:
        write_tiny_bundle(tmp_path, version="2.0.0")
        await until(lambda: refused(client))

        assert "at most 10 times is accepted" in refused(client)["tiny/2.0.0"]
        assert await version(client) == "1.0.0"


async def test_a_candidate_is_tried_once_and_again_when_its_files_change(serve, tmp_path, logged) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    good = write_tiny_bundle(tmp_path / "elsewhere", version="2.0.0")
    async with serve(models_dir=tmp_path, **SOON) as client:
        target = tmp_path / "tiny" / "2.0.0"
        target.mkdir()
        for name in ("manifest.json", "golden.npz", "MODEL_CARD.md", "statistics.npz"):  # a slow copy
            shutil.copy(good / name, target / name)
        make_current(tmp_path, "tiny/2.0.0")
        await until(lambda: refused(client))
        deployment = client.services.deployments.first
        for _ in range(3):
            await deployment._look()
        tried = [event["event"] for event in logged].count("bundle_refused")
        shutil.copy(good / "model.onnx", target / "model.onnx")
        await until_it_answers(client, "2.0.0")

        assert tried == 1
        assert refused(client) == {}


async def test_a_request_in_flight_is_answered_by_the_bundle_that_it_began_with(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    opener = GatedOpener()
    async with serve(models_dir=tmp_path, open_engine=opener, **SOON) as client:
        old = opener.engine
        old.gate.clear()
        waiting = asyncio.create_task(version(client))
        await until(lambda: old.batches[-1] == [round(200 / 255, 3)])
        # Checked against the network that serves, which the gate holds: activation checks its own alone first.
        deployment = client.services.deployments.first
        batcher = deployment.live.batcher
        write_tiny_bundle(tmp_path, version="2.0.0")
        await until(lambda: opener.engine is not old)
        assert not waiting.done()
        old.gate.set()

        await until_it_answers(client, "2.0.0")
        assert await waiting == "1.0.0"
        await until(lambda: not batcher.alive)


async def test_going_back_is_instant_and_back_again(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    async with serve(models_dir=tmp_path, **SOON) as client:
        none_yet = await client.post("/models/rollback")
        write_tiny_bundle(tmp_path, version="2.0.0")
        await until_it_answers(client, "2.0.0")
        shutil.rmtree(tmp_path / "tiny" / "1.0.0")  # it is in memory
        back = await client.post("/models/rollback")
        answered = await version(client)
        forth = await client.post("/models/rollback")

    assert (none_yet.status_code, none_yet.json()["code"]) == (409, "bundle_rejected")
    assert (back.status_code, back.json()["version"], answered) == (200, "1.0.0", "1.0.0")
    assert forth.json()["version"] == "2.0.0"


async def test_an_operator_activates_a_bundle_by_its_name_whatever_its_classes(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    write_tiny_bundle(tmp_path, name="other", version="1.0.0", current=False)
    spoilt = write_tiny_bundle(tmp_path, version="3.0.0", current=False)
    flipped(spoilt)
    async with serve(models_dir=tmp_path, **SOON) as client:
        activated = await client.post("/models/other/1.0.0/activate")
        again = await client.post("/models/other/1.0.0/activate")
        unknown = await client.post("/models/other/9.0.0/activate")
        broken = await client.post("/models/tiny/3.0.0/activate")
        serving = (await client.get("/models/current")).json()

    assert (activated.status_code, again.status_code) == (200, 200)
    assert (unknown.status_code, broken.status_code) == (404, 409)
    assert (serving["name"], serving["version"]) == ("other", "1.0.0")


async def test_draining_refuses_new_films_and_answers_those_in_flight(serve) -> None:
    opener = GatedOpener()
    async with serve(open_engine=opener) as client:
        opener.engine.gate.clear()
        flying = [asyncio.create_task(client.post("/predict", content=FILM)) for _ in range(16)]
        await until(lambda: client.services.metrics.inflight_images._value.get() == 16)
        drained = await client.post("/admin/drain")
        ready = await client.get("/readyz")
        refused_film = await client.post("/predict", content=FILM)
        opener.engine.gate.set()
        answers = [response.status_code for response in await asyncio.gather(*flying)]
        page = (await client.get("/metrics")).text

    assert (drained.status_code, drained.json()) == (200, {"status": "draining"})
    assert (ready.status_code, refused_film.status_code) == (503, 503)
    assert refused_film.headers["Retry-After"]
    assert answers == [200] * 16
    assert metric(page, 'cxr_shed_total{reason="draining"}') == 1


async def test_a_dead_watcher_is_visible(client) -> None:
    watcher = client.services.deployments.first._watcher
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)

    assert (await client.get("/livez")).status_code == 503


async def test_a_candidate_that_dies_of_something_unforeseen_leaves_the_service_alive(serve, tmp_path, logged) -> None:
    class Fatal:
        def __call__(self, bundle, **options):
            if bundle.manifest.version == "2.0.0":
                raise MemoryError
            return OnnxEngine.open(bundle, **options)

    write_tiny_bundle(tmp_path, version="1.0.0")
    async with serve(models_dir=tmp_path, open_engine=Fatal(), **SOON) as client:
        write_tiny_bundle(tmp_path, version="2.0.0")
        await until(lambda: any(event["event"] == "bundle_refused" for event in logged))

        assert await version(client) == "1.0.0"
        assert (await client.get("/livez")).status_code == 200
        assert 'reason="internal",result="refused"} 1.0' in (await client.get("/metrics")).text


async def test_a_network_that_loops_on_some_films_is_told_by_readyz_until_another_bundle_serves(
    serve, tmp_path
) -> None:
    bright = flat_film(250)
    looping(write_tiny_bundle(tmp_path, version="1.0.0"), above=0.95)
    async with serve(models_dir=tmp_path, run_timeout_s=2, concurrent_runs=1, **SOON) as client:
        before = await client.get("/readyz")
        looped = await client.post("/predict", content=bright)
        told = await client.get("/readyz")
        others = await version(client)
        write_tiny_bundle(tmp_path, version="2.0.0")
        await until_it_answers(client, "2.0.0")

        assert (before.status_code, looped.status_code, told.status_code, others) == (200, 500, 503, "1.0.0")
        assert "tiny/1.0.0 did not end within 2 s on a film" in told.json()["detail"]
        assert (await client.get("/readyz")).status_code == 200


class HangsOnBright:
    """The real engine, which hangs on bright films of version 1 until its gate opens, whoever interrupts it."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __call__(self, bundle, **options):
        engine = OnnxEngine.open(bundle, **options)
        return self if bundle.manifest.version == "1.0.0" and self._put(engine) else engine

    def _put(self, engine):
        self.behind = engine
        return True

    def run(self, images, targets):
        if images.mean() > 0.95:
            self.gate.wait(30)
        return self.behind.run(images, targets)

    def interrupt(self, longest_s) -> None:
        pass


async def test_a_network_that_hangs_does_not_take_the_threads_of_the_bundle_that_replaces_it(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path, version="1.0.0")
    opener = HangsOnBright()
    async with serve(models_dir=tmp_path, open_engine=opener, concurrent_runs=1, deadline_ms=300, **SOON) as client:
        hanging = await client.post("/predict", content=flat_film(250))
        behind_it = await client.post("/predict", content=FILM)
        write_tiny_bundle(tmp_path, version="2.0.0")
        await until(lambda: client.services.deployments.first.live.address.version == "2.0.0")
        answered = await client.post("/predict", content=FILM, headers={"X-Deadline-Ms": "30000"})
        opener.gate.set()

    assert (hanging.status_code, behind_it.status_code) == (504, 504)
    assert answered.json()["model"]["version"] == "2.0.0"
