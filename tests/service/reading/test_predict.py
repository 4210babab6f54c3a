"""Rules of the reading of one film."""

import asyncio
import dataclasses
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from imaging.phantom import phantom
from schemas.errors import DeadlineError
from service.reading.predict import Upload, read_film
from tests.imaging.compressed import ENCODERS, encapsulated_film
from tests.waiting import until

pytestmark = pytest.mark.anyio

FILM = phantom(64, 48, seed=2)


class Pool(ThreadPoolExecutor):
    """One thread, and what became of its tasks."""

    def __init__(self) -> None:
        super().__init__(1)
        self.futures: list[Future] = []

    def submit(self, task, /, *arguments, **more):
        self.futures.append(super().submit(task, *arguments, **more))
        return self.futures[-1]

    def of(self, _priority):
        return self


async def test_a_film_that_nobody_waits_for_is_not_prepared_after_it_is_decoded(serve) -> None:
    entered = threading.Event()
    may_end = threading.Event()

    def slow_decoder(_frame):
        entered.set()
        may_end.wait(60)
        return FILM

    frame = ENCODERS[uid.JPEGLSLossless](FILM, 8)
    content = encapsulated_film(encapsulate([frame]), uid.JPEGLSLossless, FILM)
    async with serve() as client:
        with Pool() as pool:
            services = dataclasses.replace(client.services, decode_lanes=pool, frame_decoder=slow_decoder)
            live = services.deployment.ready()
            reading = asyncio.create_task(read_film(services, live, Upload(content, None), priority="routine"))
            await until(entered.is_set)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            may_end.set()
            outcome = await asyncio.to_thread(pool.futures[0].exception, 60)

    assert isinstance(outcome, DeadlineError)
