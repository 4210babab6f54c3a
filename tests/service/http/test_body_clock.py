"""Rules of the time that a body has to arrive."""

import asyncio

import pytest

from schemas.errors import UploadTooSlowError
from service.http.body_clock import BodyClock
from service.settings import ConnectionSettings
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film, stow

pytestmark = pytest.mark.anyio


def messages(*sizes, ends=False):
    """A body whose pieces are there at once, and which stops after the last."""
    left = list(sizes)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        size = left.pop(0)
        return {"type": "http.request", "body": bytes(size), "more_body": bool(left) or not ends}

    return receive


def clock(**settings):
    return BodyClock(ConnectionSettings(**settings), window_s=0.05)


async def test_a_body_that_stops_is_refused_when_it_brings_too_little() -> None:
    receive = messages(10_000)
    watched = clock(min_upload_bytes_s=16_000)

    assert len((await watched.receive(receive))["body"]) == 10_000
    with pytest.raises(UploadTooSlowError, match="fewer than 16000 bytes a second"):
        await watched.receive(receive)


async def test_a_body_that_was_fast_may_not_stop_for_the_time_that_it_has_gained() -> None:
    receive = messages(*[1_000_000] * 10)
    watched = clock(min_upload_bytes_s=1)
    for _ in range(10):
        await watched.receive(receive)

    with pytest.raises(UploadTooSlowError, match="fewer than 1 bytes"):
        await watched.receive(receive)


async def test_a_body_has_a_time_in_all_whatever_its_pace() -> None:
    with pytest.raises(UploadTooSlowError, match=r"within 0\.1 s"):
        await clock(upload_timeout_s=0.1, min_upload_bytes_s=0).receive(messages())


async def test_after_the_body_a_caller_may_wait_as_long_as_it_likes() -> None:
    watched = clock(upload_timeout_s=0.05)
    await watched.receive(messages(5, ends=True))
    waiting = asyncio.create_task(watched.receive(messages()))
    await asyncio.wait((waiting,), timeout=0.2)

    assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize("address", ["/predict", "/predict/batch", "/explain", "/film", "/dicomweb/studies"])
async def test_every_address_that_takes_a_body_ends_one_that_does_not_arrive(serve_dicomweb, address) -> None:
    request = stow(film()) if "dicomweb" in address else {"content": flat_film(200), "headers": {}}

    async def stopping():
        yield request["content"][:-1]
        await asyncio.Event().wait()

    headers = request["headers"] | {"X-Deadline-Ms": "600000"}
    async with serve_dicomweb(upload_timeout_s=0.1) as client:
        refused = await client.post(address, content=stopping(), headers=headers)
        held = client.services.metrics.registry.get_sample_value("cxr_inflight_bytes")

    assert (refused.status_code, refused.json()["code"]) == (408, "upload_too_slow")
    assert (refused.headers["Connection"], held) == ("close", 0)
