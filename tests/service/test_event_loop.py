"""The rule that no request blocks the event loop for longer than 250 ms."""

import asyncio
import time

import pytest

from tests.service.attacks import ATTACKS
from tests.service.event_loop import unblocked

pytestmark = pytest.mark.anyio

PIECE = 65_536
"""As uvicorn hands bodies on."""


async def pieces(body):
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]
        await asyncio.sleep(0)  # a server waits for its socket between two pieces


@pytest.mark.parametrize("name", ATTACKS)
async def test_no_request_blocks_the_event_loop(serve_dicomweb, name) -> None:
    attack = ATTACKS[name]()
    content = pieces(attack.body) if attack.body else None
    async with serve_dicomweb(max_body_bytes=64 * 1024 * 1024) as client:
        request = client.build_request(attack.method, attack.address, content=content, headers=attack.headers)
        async with unblocked():
            answer = await client.send(request)

    assert answer.status_code in attack.statuses


async def block(seconds):
    async with unblocked(0.05):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass


async def test_a_block_is_noticed() -> None:
    with pytest.raises(AssertionError, match="was blocked for"):
        await block(0.1)
