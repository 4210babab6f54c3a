"""Rules of deadlines."""

import asyncio
import re
import time

import pytest

from schemas.errors import DeadlineError
from service.http.request_options import RequestOptions
from service.metrics import Metrics
from tests.service.conftest import flat_film

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


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("?priority=STAT", None, 200),
        ("", "STAT", 200),
        ("?priority=stat", "Stat", 200),
        ("?priority=stat", "routine", 422),
        ("", "urgent", 422),
        ("?priority=urgent", None, 422),
    ],
)
async def test_the_priority_is_read_in_any_case_from_the_address_or_the_header(client, query, header, status) -> None:
    headers = {} if header is None else {"X-Priority": header}
    answer = await client.post(f"/predict{query}", content=flat_film(200), headers=headers)

    assert answer.status_code == status
    assert status == 200 or re.search(r"X-Priority|parameter priority: .*stat", answer.json()["detail"])


@pytest.mark.parametrize(("query", "headers"), [("?priority=STAT", {}), ("", {"X-Priority": "Stat"})])
async def test_an_urgent_film_has_its_place_however_it_is_written(serve, query, headers) -> None:
    async with serve(max_queue=8, max_batch_items=1) as client:
        with client.services.admission.admit(7, "routine"):
            urgent = await client.post(f"/predict{query}", content=flat_film(200), headers=headers)
            routine = await client.post("/predict", content=flat_film(200))

    assert (urgent.status_code, routine.status_code) == (200, 503)
