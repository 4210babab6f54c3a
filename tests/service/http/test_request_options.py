"""Rules of deadlines."""

import asyncio
import time

import pytest

from schemas.errors import DeadlineError
from service.http.request_options import RequestOptions
from service.metrics import Metrics

pytestmark = pytest.mark.anyio


def options(allowed_ms, arrived):
    return RequestOptions("request-1", "routine", arrived, allowed_ms)


async def test_what_is_done_in_time_is_left_alone() -> None:
    async with options(60_000, time.perf_counter()).deadline(Metrics()):
        done = True

    assert done


async def test_a_request_whose_time_was_over_before_it_began_is_not_begun() -> None:
    metrics = Metrics()

    with pytest.raises(DeadlineError, match="no answer within 50 ms"):
        async with options(50, arrived=0.0).deadline(metrics):
            await asyncio.Event().wait()

    assert metrics.registry.get_sample_value("cxr_shed_total", {"reason": "deadline"}) == 1
