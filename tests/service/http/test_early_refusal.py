"""Rules of what is refused before anything is done for it."""

import asyncio

import pytest

from service.app import create_app
from service.http.early_refusal import FILM_ADDRESSES
from tests.fakes import GatedOpener
from tests.service.chosen import settings_of
from tests.service.conftest import flat_film
from tests.service.security.test_authentication import Keys
from tests.waiting import until

pytestmark = pytest.mark.anyio

FILM = flat_film(200)


async def in_pieces(*pieces):
    """A body whose length is not stated."""
    for piece in pieces:
        yield piece


async def body_held(client):
    return client.services.metrics.inflight_bytes._value.get()


def test_every_address_that_takes_films_is_guarded() -> None:
    paths = create_app(settings_of()).api.openapi()["paths"]
    taking = {
        path
        for path, item in paths.items()
        for operation in item.values()
        if "image/jpeg" in operation.get("requestBody", {}).get("content", {}) or path.endswith("/infer")
    }

    assert taking == FILM_ADDRESSES


@pytest.mark.parametrize("address", sorted(FILM_ADDRESSES))
async def test_a_film_without_a_place_is_refused_before_its_body_is_read(serve, address) -> None:
    opener = GatedOpener()
    async with serve(open_engine=opener, max_queue=2, max_batch_items=1) as client:
        opener.engine.gate.clear()
        held = asyncio.create_task(client.post("/predict", content=FILM))
        await until(lambda: client.services.metrics.inflight_images._value.get() == 1)
        read = []

        async def body():
            read.append(FILM)
            yield FILM

        refused = await client.post(address, content=body())
        urgent = asyncio.create_task(client.post("/predict?x=1&priority=stat", content=FILM))
        await until(lambda: client.services.metrics.inflight_images._value.get() == 2)
        opener.engine.gate.set()

        assert (await held).status_code == (await urgent).status_code == 200
    assert (refused.status_code, "overloaded" in refused.text, read) == (503, True, [])
    assert refused.headers["X-Request-ID"] == refused.json().get("request_id", refused.headers["X-Request-ID"])
    assert refused.headers["Cache-Control"] == "no-store"


async def test_bytes_beyond_the_limit_are_refused_and_given_back_with_the_request(serve, monkeypatch) -> None:
    monkeypatch.setattr("service.http.bodies.STOPPED_S", 600.0)
    sizes = {"max_body_bytes": 1000, "max_inflight_bytes": 1000}
    async with serve(**sizes) as client:
        arrived = asyncio.Event()
        gate = asyncio.Event()

        async def slow():
            yield bytes(600)
            arrived.set()
            await gate.wait()

        first = asyncio.create_task(client.post("/predict", content=slow()))
        await arrived.wait()
        stated = await client.post("/predict", content=bytes(500))
        unstated = await client.post("/predict", content=in_pieces(bytes(300), bytes(300)))
        over_its_own_limit = await client.post("/predict", content=bytes(1001))
        held = await body_held(client)
        gate.set()
        await first
        after = await client.post("/predict", content=FILM)
        metrics = (await client.get("/metrics")).text

    assert [answer.status_code for answer in (stated, unstated, over_its_own_limit)] == [503, 503, 413]
    assert held == 600
    assert after.status_code == 200
    assert 'cxr_shed_total{reason="bytes"} 2.0' in metrics
    assert "cxr_inflight_bytes 0.0" in metrics


async def test_refusals_are_counted_one_by_one_and_logged_together(serve, logged) -> None:
    names = [f"film-{number}" for number in range(20)]

    def told():
        return [event["requests"] for event in logged if event["event"] == "requests_refused"]

    async with serve() as client:
        await client.post("/admin/drain")
        refused = [await client.post("/predict", content=FILM, headers={"X-Request-ID": name}) for name in names]
        await until(lambda: sum(told()) == 20)
        metrics = (await client.get("/metrics")).text

    assert {answer.status_code for answer in refused} == {503}
    assert [answer.json()["request_id"] for answer in refused] == names
    assert len(told()) < 10  # one line a second: as a rule one
    assert not [event for event in logged if event.get("route") == "/predict"]
    assert 'cxr_http_requests_total{method="POST",route="/predict",status="503"} 20.0' in metrics


@pytest.mark.parametrize("digits", [13, 400, 5000])
async def test_a_deadline_of_many_digits_is_refused_as_any_other_that_is_too_long(client, digits) -> None:
    refused = await client.post("/predict", content=FILM, headers={"X-Deadline-Ms": "9" * digits})

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
    assert refused.headers["Content-Type"] == "application/problem+json"


async def test_a_stated_length_of_many_digits_is_left_to_the_limit_of_bodies(client) -> None:
    answer = await client.post("/predict", content=in_pieces(FILM), headers={"Content-Length": "9" * 400})

    assert answer.status_code == 413


async def test_one_caller_holds_at_most_half_of_the_bytes_and_another_finds_the_rest(
    serve, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("service.http.bodies.STOPPED_S", 600.0)
    keys = Keys(tmp_path / "keys.json")
    greedy, other = ({"X-API-Key": keys.add(name, "predict")} for name in ("greedy", "other"))
    gate = asyncio.Event()
    arrived = asyncio.Semaphore(0)

    async def held():
        yield bytes(1000)
        arrived.release()
        await gate.wait()

    sizes = {"max_body_bytes": 1000, "max_inflight_bytes": 4000}
    async with serve(api_keys_file=keys.path, **sizes) as client:
        uploads = [asyncio.create_task(client.post("/predict", content=held(), headers=greedy)) for _ in range(2)]
        for _ in uploads:
            await arrived.acquire()
        refused = await client.post("/predict", content=in_pieces(bytes(200)), headers=greedy)
        small = await client.post("/predict", content=in_pieces(bytes(60)), headers=greedy)
        others = await client.post("/predict", content=in_pieces(FILM), headers=other)
        gate.set()
        await asyncio.gather(*uploads)
        later = await client.post("/predict", content=FILM, headers=greedy)

    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert small.status_code == 415  # it is read: no film
    assert "hold 2000 bytes, and those of one caller may hold 2000" in refused.json()["detail"]
    assert refused.headers["Retry-After"] == "1"
    assert (others.status_code, later.status_code) == (200, 200)


async def test_a_body_that_has_stopped_gives_way_to_one_that_needs_its_room(serve, monkeypatch) -> None:
    monkeypatch.setattr("service.http.bodies.STOPPED_S", 600.0)
    stopped = asyncio.Event()

    async def stopping():
        yield bytes(1000)
        stopped.set()
        await asyncio.Event().wait()

    async with serve(max_body_bytes=1000, max_inflight_bytes=1000) as client:
        upload = asyncio.create_task(client.post("/predict", content=stopping(), headers={"X-Deadline-Ms": "600000"}))
        await stopped.wait()
        at_once = await client.post("/predict", content=FILM)
        monkeypatch.setattr("service.http.bodies.STOPPED_S", 0.05)
        accepted = await until(lambda: _status_when_accepted(client))
        ended = await upload

    assert at_once.status_code == 503
    assert accepted == 200
    assert (ended.status_code, "others need its room" in ended.json()["detail"]) == (503, True)


async def _status_when_accepted(client):
    answer = await client.post("/predict", content=in_pieces(FILM))
    return answer.status_code if answer.status_code != 503 else None
