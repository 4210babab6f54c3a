"""Rules of bundles that serve side by side: each is loaded, swapped, refused and counted by itself."""

import asyncio
import threading
from functools import partial

import pytest

from schemas.population import Population
from service.engine.engine import OnnxEngine
from tests.fakes import GatedEngine
from tests.service.bundles import CHILDREN, write_tiny_bundle
from tests.service.dicomweb.films import film
from tests.service.populations import ADULT, BOTH, CHILD, write_adults, write_both, write_children
from tests.service.spoilt import flipped
from tests.waiting import until

pytestmark = pytest.mark.anyio

SOON = {"model_poll_s": 0.01}


def _has_more(engine, before):
    return len(engine.batches) > before


def _waits_with(batcher, films):
    return batcher.queue_length == films


async def answer(client, content):
    response = await client.post("/predict", content=content)
    assert response.status_code == 200, response.text
    body = response.json()
    return body["model"]["name"], body["model"]["version"], body["route"]


async def routing(client):
    listed = (await client.get("/models")).json()["routing"]
    return [(each["name"], each["version"], each["fault"]) for each in listed]


async def test_the_list_shows_order_population_and_what_serves(serve, tmp_path) -> None:
    write_both(tmp_path)
    write_children(tmp_path, "0.9.0")
    async with serve(models_dir=tmp_path, models="adults, children/0.9.0") as client:
        body = (await client.get("/models")).json()

    assert [(model["name"], model["version"], model["serving"]) for model in body["models"]] == [
        ("adults", "1.0.0", True),
        ("children", "0.9.0", True),
        ("children", "1.0.0", False),
    ]
    assert body["routing"] == [
        {
            "name": "adults",
            "version": "1.0.0",
            "population": Population(name="adult", least_age_years=18).model_dump(mode="json"),
            "guided": True,
            "fault": None,
        },
        {
            "name": "children",
            "version": "0.9.0",
            "population": CHILDREN.model_dump(mode="json"),
            "guided": True,
            "fault": None,
        },
    ]


async def test_one_bundle_is_the_only_one_and_serves_under_any_name(serve, tmp_path) -> None:
    write_tiny_bundle(tmp_path)
    write_both(tmp_path)
    async with serve(models_dir=tmp_path, models="adults") as client:
        before = await answer(client, CHILD)
        activated = await client.post("/models/tiny/1.0.0/activate")
        after = await answer(client, CHILD)
        page = (await client.get("/metrics")).text

    assert (before, after) == (("adults", "1.0.0", "only_bundle"), ("tiny", "1.0.0", "only_bundle"))
    assert activated.status_code == 200
    assert "cxr_bundle_serves 1.0" in page
    assert "bundle=" not in page


class GatedOpeners:
    """Real engines, each behind a gate of its own, by the bundle's name; it notes which were open at the same time."""

    def __init__(self) -> None:
        self.engines = {}
        self.order = []

    def __call__(self, bundle, **options):
        self.order.append(bundle.manifest.name)
        engine = GatedEngine(OnnxEngine.open(bundle, **options))
        return self.engines.setdefault(f"{bundle.manifest.name}/{bundle.manifest.version}", engine)


async def test_one_is_swapped_and_rolled_back_while_the_other_answers(serve, tmp_path) -> None:
    write_both(tmp_path)
    opener = GatedOpeners()
    async with serve(models_dir=tmp_path, open_engine=opener, **BOTH, **SOON) as client:
        busy = opener.engines["adults/1.0.0"]
        busy.gate.clear()
        runs = len(busy.batches)
        waiting = asyncio.create_task(answer(client, ADULT))
        await until(lambda: len(busy.batches) > runs)
        write_children(tmp_path, "2.0.0")
        await until(lambda: client.services.deployments.live[0].address.version == "2.0.0")
        meanwhile = await answer(client, CHILD)
        unnamed = await client.post("/models/rollback")
        other = await client.post("/models/adults/rollback")
        unknown = await client.post("/models/tiny/rollback")
        back = await client.post("/models/children/rollback")
        behind = await answer(client, CHILD)
        busy.gate.set()
        finished = await waiting

    assert meanwhile == ("children", "2.0.0", "guide")
    assert (unnamed.status_code, other.status_code, unknown.status_code) == (422, 409, 404)
    assert "POST /models/NAME/rollback with one of children, adults" in unnamed.json()["detail"]
    assert (back.status_code, back.json()["version"], behind) == (200, "1.0.0", ("children", "1.0.0", "guide"))
    assert finished == ("adults", "1.0.0", "guide")


async def test_an_operator_activates_a_version_of_one_and_no_bundle_that_is_not_named(serve, tmp_path) -> None:
    write_both(tmp_path)
    write_tiny_bundle(tmp_path)
    write_adults(tmp_path, "0.9.0")
    async with serve(models_dir=tmp_path, **BOTH) as client:
        activated = await client.post("/models/adults/0.9.0/activate")
        foreign = await client.post("/models/tiny/1.0.0/activate")
        serving = await routing(client)

    assert (activated.status_code, foreign.status_code) == (200, 409)
    assert "CXR_MODELS names children, adults" in foreign.json()["detail"]
    assert serving == [("children", "1.0.0", None), ("adults", "0.9.0", None)]


async def test_a_refused_bundle_leaves_the_other_ready_and_is_named(serve, tmp_path, logged) -> None:
    write_both(tmp_path)
    flipped(tmp_path / "children" / "1.0.0")
    async with serve(models_dir=tmp_path, **BOTH, **SOON) as client:
        ready = await client.get("/readyz")
        adult = await answer(client, ADULT)
        child = await client.post("/predict", content=CHILD)
        named = await client.post("/predict?population=child", content=CHILD)
        page = (await client.get("/metrics")).text
        missing = await routing(client)
        write_children(tmp_path, "1.0.1")
        await until(lambda: len(client.services.deployments.live) == 2)
        mended = (await client.get("/readyz")).json()
        answered = await answer(client, CHILD)

    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["missing"].keys() == {"children"}
    assert adult == ("adults", "1.0.0", "guide")
    for response in (child, named):
        prediction = response.json()["prediction"]
        assert (response.json()["route"], prediction["decision"]) == ("none", "abstain")
        assert "outside_population" in prediction["abstention_reasons"]
        assert "children might be for it, and cannot answer now." in prediction["recommendation"]
    assert 'cxr_bundle_serves{bundle="children"} 0.0' in page
    assert 'cxr_bundle_serves{bundle="adults"} 1.0' in page
    assert 'cxr_model_loads_total{bundle="children",reason="bundle_rejected",result="refused"} 1.0' in page
    assert [name for name, version, fault in missing if version is None and fault] == ["children"]
    assert any(event["event"] == "bundle_refused" and event["bundle"] == "children/1.0.0" for event in logged)
    assert mended == {"status": "ready"}
    assert answered == ("children", "1.0.1", "guide")


async def test_without_any_bundle_the_service_is_not_ready_and_says_why_of_each(serve, tmp_path) -> None:
    async with serve(models_dir=tmp_path, **BOTH) as client:
        ready = await client.get("/readyz")
        film = await client.post("/predict", content=CHILD)

    assert (ready.status_code, film.status_code) == (503, 503)
    for name in ("children", "adults"):
        assert (
            f"{name}: no bundle serves: bundle_rejected: {name} is not in the models directory"
            in ready.json()["detail"]
        )


async def test_each_has_a_least_version_of_its_own(serve, tmp_path) -> None:
    write_both(tmp_path)
    async with serve(models_dir=tmp_path, least_version="children/1.0.1", **BOTH) as client:
        serving = await routing(client)

    assert [(name, version) for name, version, _ in serving] == [("children", None), ("adults", "1.0.0")]
    assert "older than the least version, 1.0.1" in serving[0][2]


class Overlap:
    """The real engine; it notes how many are being opened at the same time."""

    def __init__(self) -> None:
        self.names = []
        self.most = 0
        self._lock = threading.Lock()
        self._open = 0

    def __call__(self, bundle, **options):
        with self._lock:
            self._open += 1
            self.most = max(self.most, self._open)
            self.names.append(bundle.manifest.name)
        try:
            return OnnxEngine.open(bundle, **options)
        finally:
            with self._lock:
                self._open -= 1


async def test_bundles_are_loaded_one_after_another_in_their_order_and_by_one_thread(serve, tmp_path) -> None:
    write_both(tmp_path)
    opener = Overlap()
    async with serve(models_dir=tmp_path, open_engine=opener, **BOTH, **SOON) as client:
        write_children(tmp_path, "2.0.0")
        write_adults(tmp_path, "2.0.0")
        await until(lambda: {each.address.version for each in client.services.deployments.live} == {"2.0.0"})
        loaders = [thread.name for thread in threading.enumerate() if thread.name.startswith("loader")]

    assert opener.names[:2] == ["children", "adults"]
    assert (opener.most, len(loaders)) == (1, 1)


async def test_each_has_the_limits_of_its_own_batcher(serve, tmp_path) -> None:
    write_both(tmp_path)
    opener = GatedOpeners()
    limits = {"concurrent_runs": 1, "max_batch_size": 4, "max_batch_size_by_model": "adults=2"}
    largest = {}
    async with serve(models_dir=tmp_path, open_engine=opener, **BOTH, **limits) as client:
        for live, age in zip(client.services.deployments.live, ("004Y", "040Y"), strict=True):
            engine = opener.engines[str(live.address)]
            engine.gate.clear()
            before = len(engine.batches)
            waiting = [asyncio.create_task(answer(client, film(PatientAge=age)))]
            await until(partial(_has_more, engine, before))
            waiting += [asyncio.create_task(answer(client, film(PatientAge=age))) for _ in range(8)]
            await until(partial(_waits_with, live.batcher, 8))
            engine.gate.set()
            await asyncio.gather(*waiting)
            largest[live.address.name] = max(len(batch) for batch in engine.batches[before:])

    assert largest == {"children": 4, "adults": 2}


async def test_each_has_metrics_of_its_own(serve, tmp_path) -> None:
    write_both(tmp_path)
    async with serve(models_dir=tmp_path, **BOTH) as client:
        for film in (CHILD, CHILD, ADULT):
            await client.post("/predict", content=film)
        page = (await client.get("/metrics")).text

    assert page.count("# TYPE cxr_model_info gauge") == 1
    for line in (
        'cxr_images_total{bundle="children"} 3.0',  # it was asked about the adult's film too
        'cxr_images_total{bundle="adults"} 1.0',
        'cxr_batch_size_count{bundle="adults"} 1.0',
        'cxr_queue_depth{bundle="adults"} 0.0',
        'cxr_predictions_total{bundle="children",decision="positive",label="PNEUMONIA"} 2.0',
        'cxr_prediction_probability_count{bundle="adults",label="NORMAL"} 1.0',
        'cxr_input_quality_count{bundle="children",signal="mean"} 2.0',
        'cxr_model_loads_total{bundle="adults",reason="",result="loaded"} 1.0',
    ):
        assert line in page
    assert page.count("cxr_model_info{") == 2


async def test_a_network_that_hangs_makes_its_own_bundle_faulty_and_not_the_service(serve, tmp_path) -> None:
    write_both(tmp_path)
    opener = GatedOpeners()
    async with serve(models_dir=tmp_path, open_engine=opener, run_timeout_s=1, **BOTH) as client:
        opener.engines["adults/1.0.0"].gate.clear()
        waiting = asyncio.create_task(answer(client, ADULT))
        await until(lambda: "adults" in client.services.deployments.faults)
        ready = await client.get("/readyz")
        child = await answer(client, CHILD)
        opener.engines["adults/1.0.0"].gate.set()
        await waiting

    assert ready.status_code == 200
    assert "the network of adults/1.0.0 did not end" in ready.json()["missing"]["adults"]
    assert child[0] == "children"
