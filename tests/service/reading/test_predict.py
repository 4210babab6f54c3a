"""Rules of the reading of one film."""

import asyncio
import dataclasses
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from imaging.phantom import phantom
from schemas.errors import DeadlineError
from service.engine.engine import OnnxEngine
from service.films.look import Decoding, Upload
from service.models.live import ServingBundles
from service.reading.predict import read_film
from tests.fakes import GatedEngine
from tests.imaging.compressed import ENCODERS, encapsulated_film
from tests.service.bundles import FINDINGS, write_tiny_bundle
from tests.service.conftest import halves
from tests.service.dicomweb.films import film
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


@pytest.fixture
def guided(serve, tmp_path):
    """Serves findings that are judged by themselves, of children alone."""
    write_tiny_bundle(tmp_path, alone=True, guide=True)
    return lambda: serve(models_dir=tmp_path)


async def read(client, content):
    bundles = ServingBundles((client.services.deployments.first.ready(),))
    return await read_film(client.services, bundles, Upload(content, None), priority="routine")


async def test_a_film_of_an_adult_is_not_answered_though_no_header_says_so(guided) -> None:
    async with guided() as client:
        child = await read(client, halves(166, 166))
        adult = await read(client, halves(250, 20))

    assert (child.prediction.decision, child.prediction.label) == ("positive", "Effusion")
    assert child.prediction.traits["population"].value == "child"
    assert adult.prediction.abstention_reasons[0] == "outside_population"
    assert "one of an adult (population: adult, .9" in adult.prediction.recommendation
    assert {finding.decision for finding in adult.prediction.findings} == {"abstain"}


@pytest.mark.parametrize(
    ("attributes", "warnings", "reasons"),
    [
        ({"PatientAge": "004Y"}, (), ()),
        ({"PatientAge": "044Y"}, ("population_contradicts_header",), ("outside_population",)),
        ({"PatientAge": "old"}, ("age_unreadable", "age_unknown"), ()),
        (
            {"PatientAge": "004Y", "ViewPosition": "LL"},
            ("not_frontal", "view_contradicts_header"),
            ("outside_population", "not_frontal"),
        ),
    ],
)
async def test_a_header_is_held_against_what_is_seen(guided, attributes, warnings, reasons) -> None:
    async with guided() as client:
        reading = await read(client, film(gray=166, **attributes))

    assert set(reading.image_facts.warnings) - {"low_resolution", "mostly_one_value"} == set(warnings)
    assert reading.prediction.abstention_reasons == reasons


async def test_of_each_finding_the_probability_and_the_decision_are_counted_and_of_the_film_the_decision(
    guided,
) -> None:
    async with guided() as client:
        readings = [await read(client, halves(gray, gray)) for gray in (166, 166, 102)]
        decided = Counter((each.name, each.decision) for reading in readings for each in reading.prediction.findings)
        sample = client.services.metrics.registry.get_sample_value

        assert sample("cxr_predictions_total", {"label": "Effusion", "decision": "positive"}) == 2
        assert sample("cxr_predictions_total", {"label": "no finding", "decision": "negative"}) == 1
        for finding in FINDINGS:
            assert sample("cxr_prediction_probability_count", {"label": finding}) == 3
        assert decided["Effusion", "positive"] == 2
        for (finding, decision), films in decided.items():
            assert sample("cxr_finding_decisions_total", {"finding": finding, "decision": decision}) == films


class Placed(GatedEngine):
    """Remembers by name which threads ran films, once it is watched."""

    def __init__(self, behind) -> None:
        super().__init__(behind)
        self.threads: list[str] = []

    def run(self, images, targets):
        self.threads.append(threading.current_thread().name.rpartition("_")[0])
        return super().run(images, targets)


@pytest.mark.parametrize(
    ("settings", "thread"),
    [({}, "decode"), ({"max_batch_size": 2}, "engine")],
    ids=["one film a run", "films may share a run"],
)
async def test_a_film_that_need_not_wait_is_run_by_the_thread_that_prepared_it(serve, settings, thread) -> None:
    engines = []

    def opened(bundle, **options):
        engines.append(Placed(OnnxEngine.open(bundle, **options)))
        return engines[-1]

    async with serve(open_engine=opened, **settings) as client:
        (engine,) = engines
        engine.threads.clear()
        reading = await read(client, halves(166, 166))

    assert engine.threads == [thread]
    assert reading.stages_s["inference"] > 0


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
            services = dataclasses.replace(
                client.services, decode_lanes=pool, decoding=Decoding(10_000_000, slow_decoder)
            )
            bundles = ServingBundles((services.deployments.first.ready(),))
            reading = asyncio.create_task(read_film(services, bundles, Upload(content, None), priority="routine"))
            await until(entered.is_set)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            may_end.set()
            outcome = await asyncio.to_thread(pool.futures[0].exception, 60)

    assert isinstance(outcome, DeadlineError)
