"""Rules of guessing keys: an answer shows nothing about which ids exist, and films are not slowed down by it."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import UnauthenticatedError
from service.metrics import Metrics
from service.security.authentication import Gate
from tests.service.chosen import settings_of
from tests.service.conftest import flat_film
from tests.service.security.test_authentication import Keys

pytestmark = pytest.mark.anyio

SECRET = "x" * 43


class CountingPool(ThreadPoolExecutor):
    """Threads that note how long each task computes."""

    def __init__(self) -> None:
        super().__init__(1)
        self.tasks_s: list[float] = []

    def submit(self, task, /, *arguments, **more):
        def timed():
            start = time.thread_time()
            try:
                return task(*arguments, **more)
            finally:
                self.tasks_s.append(time.thread_time() - start)

        return super().submit(timed)


async def test_an_id_that_is_unknown_costs_the_work_of_a_secret_that_is_wrong(tmp_path) -> None:
    keys = Keys(tmp_path / "keys.json")
    known = keys.add("ris", "predict")
    expired = keys.add("old", "predict", expires_at=datetime.now(UTC) - timedelta(days=1))
    settings = settings_of(api_keys_file=keys.path)
    with CountingPool() as pool:
        gate = Gate(settings.security, settings.tokens, Metrics(), pool)
        for presented in (f"{known[:17]}{SECRET}", f"cxr_{'f' * 12}_{SECRET}", expired):
            with pytest.raises(UnauthenticatedError, match="unknown, revoked or expired"):
                await gate.identify(presented)

    wrong_s, unknown_s, expired_s = pool.tasks_s
    assert unknown_s > wrong_s / 3
    assert expired_s > wrong_s / 3


async def test_films_are_decoded_by_other_threads_than_those_that_guesses_keep_busy(serve, tmp_path) -> None:
    keys = Keys(tmp_path / "keys.json")
    key = keys.add("ris", "predict")
    async with serve(api_keys_file=keys.path) as client:
        await client.post("/predict", content=flat_film(200), headers={"X-API-Key": key})
        await client.post("/predict", content=flat_film(200), headers={"X-API-Key": f"cxr_{'f' * 12}_{SECRET}"})

        assert client.services.key_pool not in map(client.services.decode_lanes.of, ("stat", "routine"))
