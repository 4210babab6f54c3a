"""Rules of a service whose bundles come from a registry, through the app; the registry is one of this process."""

import json
import shutil
import threading

import pytest
from prometheus_client import CollectorRegistry

from bundle.files import sha256_of
from schemas.errors import SettingsError
from schemas.model.manifest import MODEL_CARD
from service.app import create_app
from service.measures.store import StoreMetrics
from service.models.store_watch import StoreWatch
from tests.service.bundles import replace_file, write_tiny_bundle
from tests.service.chosen import settings_of
from tests.service.conftest import flat_film
from tests.waiting import until

pytestmark = pytest.mark.anyio

FILM = flat_film(200)


@pytest.fixture
def from_store(serve, shelf, tmp_path):
    """Start a service that looks at the registry all the time."""

    def start(address: str | None = None, **settings):
        chosen = {"store_allow_http": True, "store_poll_s": 0.05, "model_poll_s": 0.01, "store_timeout_s": 2}
        return serve(models_dir=address or shelf.tag, models_cache=tmp_path / "cache", **(chosen | settings))

    return start


async def version(client) -> str:
    response = await client.post("/predict", content=FILM)
    assert response.status_code == 200, response.text
    return response.json()["model"]["version"]


async def until_it_answers(client, wanted) -> None:
    async def answers() -> bool:
        return await version(client) == wanted

    await until(answers)


async def store_of(client) -> dict:
    return (await client.get("/models")).json()["store"]


def metric(page: str, name: str) -> float:
    return next(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name))


async def test_a_bundle_of_a_registry_answers_and_the_page_of_bundles_says_so(from_store, shelf, tmp_path) -> None:
    pinned = shelf.push(write_tiny_bundle(tmp_path / "models"))
    async with from_store() as client:
        answered = await version(client)
        store = await store_of(client)
        page = (await client.get("/metrics")).text

    assert answered == "1.0.0"
    assert (store["address"], store["fault"]) == (shelf.tag, None)
    assert pinned.endswith(store["revision"])
    assert store["answered_at"] is not None
    assert metric(page, "cxr_store_reachable{") == 1
    assert metric(page, 'cxr_store_polls_total{result="changed"}') == 1


async def test_a_tag_that_moves_swaps_the_bundle_without_a_restart(from_store, shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path / "models"))
    async with from_store() as client:
        before = await version(client)
        shelf.push(write_tiny_bundle(tmp_path / "models", version="2.0.0"))
        await until_it_answers(client, "2.0.0")
        card = await client.get("/models/current", headers={"Accept": "text/markdown"})
        rolled_back = (await client.post("/models/rollback")).json()

    assert before == "1.0.0"
    assert card.text.startswith("# tiny")
    assert rolled_back["version"] == "1.0.0"


async def test_a_digest_stays_where_it_is(from_store, shelf, tmp_path) -> None:
    pinned = shelf.push(write_tiny_bundle(tmp_path / "models"))
    shelf.push(write_tiny_bundle(tmp_path / "models", version="2.0.0"))
    async with from_store(pinned) as client:
        assert await version(client) == "1.0.0"


async def test_a_set_serves_side_by_side(from_store, shelf, tmp_path) -> None:
    write_tiny_bundle(tmp_path / "models", name="children")
    write_tiny_bundle(tmp_path / "models", version="3.0.0")
    shelf.push(tmp_path / "models")
    async with from_store(models="tiny,children") as client:
        routing = (await client.get("/models")).json()["routing"]

    assert [(each["name"], each["version"]) for each in routing] == [("tiny", "3.0.0"), ("children", "1.0.0")]


async def test_a_service_starts_from_its_cache_while_the_store_is_down(from_store, shelf, tmp_path, logged) -> None:
    shelf.push(write_tiny_bundle(tmp_path / "models"))
    async with from_store():
        pass
    shelf.registry.login = "somebody:else"  # an answer of use does not come any more
    async with from_store() as client:
        answered = await version(client)
        store = await store_of(client)
        page = (await client.get("/metrics")).text
        shelf.registry.login = None
        await until(lambda: client.services.store.state().fault is None)
        mended = await store_of(client)

    assert answered == "1.0.0"
    assert "answered 401" in store["fault"]
    assert store["answered_at"] is None
    assert metric(page, "cxr_store_reachable{") == 0
    assert mended["fault"] is None
    (event,) = [each for each in logged if each["event"] == "store_unusable"]
    assert (event["serves_from"], event["code"]) == ("the cache", "store_refused")


async def test_a_service_without_store_and_cache_waits_for_the_store(from_store, shelf, tmp_path) -> None:
    async with from_store() as client:
        ready = await client.get("/readyz")
        store = await store_of(client)
        shelf.push(write_tiny_bundle(tmp_path / "models"))

        async def answers() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(answers)

    assert ready.status_code == 503
    assert "has no manifest stable" in store["fault"]


async def test_a_start_does_not_wait_for_the_end_of_a_long_first_download(shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path / "models"))
    mirror = shelf.mirror()
    watch = StoreWatch(shelf.tag, mirror, 3600, StoreMetrics(CollectorRegistry()), threading.Event())
    shelf.registry.may_answer.clear()
    async with watch.running(patience_s=0.01):
        begun = (mirror.listing, watch.state().fault)
        shelf.registry.may_answer.set()
        await until(lambda: watch.state().answered_at is not None)

    assert begun == (None, None)  # neither there nor given up
    assert (mirror.view / "tiny/1.0.0/model.onnx").exists()


async def test_a_cache_that_was_altered_is_never_loaded(from_store, shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path / "models"))
    async with from_store():
        pass
    forged = write_tiny_bundle(tmp_path / "forged", maps=False)
    (place,) = tmp_path.glob("cache/*/bundles/*/1.0.0")
    shutil.rmtree(place)
    shutil.copytree(forged, place)  # right in itself
    shelf.registry.login = "somebody:else"
    async with from_store() as client:
        without = await client.get("/readyz")
        shelf.registry.login = None

        async def answers() -> bool:
            return (await client.get("/readyz")).status_code == 200

        async def counted() -> bool:  # once the look is over: the bundle is shown before
            return metric((await client.get("/metrics")).text, "cxr_store_cache_discarded_total") == 1

        await until(answers, timeout_s=200)  # loading gives way to whatever else this machine does
        await until(counted)
        manifest = (await client.get("/models/current")).json()

    assert without.status_code == 503
    assert manifest == json.loads((tmp_path / "models/tiny/1.0.0/manifest.json").read_text())


async def test_a_forged_bundle_in_the_cache_of_a_service_that_runs_is_refused(from_store, shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path / "models"))
    async with from_store(store_poll_s=3600) as client:
        forged = write_tiny_bundle(tmp_path / "forged", version="9.0.0")
        view = client.services.store.mirror.view
        shutil.copytree(forged, view / "tiny" / "9.0.0")
        answer = await client.post("/models/tiny/9.0.0/activate")
        answered = await version(client)

    assert answer.status_code == 409
    assert "is not what oci://" in answer.json()["detail"]
    assert answered == "1.0.0"


async def test_a_broken_bundle_in_the_store_leaves_the_one_that_serves(from_store, shelf, tmp_path) -> None:
    shelf.push(write_tiny_bundle(tmp_path / "models"))
    async with from_store() as client:
        second = write_tiny_bundle(tmp_path / "models", version="2.0.0")
        replace_file(second, "MODEL_CARD.md", b"# tiny, second\n")
        digest = f"sha256:{sha256_of(second / MODEL_CARD)}"
        shelf.registry.spoilt[digest] = b"other bytes"
        shelf.push(second)

        async def faulty() -> bool:
            return (await store_of(client))["fault"] is not None

        await until(faulty)
        fault = (await store_of(client))["fault"]
        still = await version(client)
        shelf.registry.spoilt.clear()
        await until_it_answers(client, "2.0.0")

    assert "2.0.0/MODEL_CARD.md came with 11 bytes" in fault
    assert still == "1.0.0"


def test_a_store_that_cannot_be_opened_is_refused_at_the_start(tmp_path) -> None:
    chosen = settings_of(models_dir="oci://registry/cxr:1", models_cache=tmp_path, store_ca_file=tmp_path / "no.pem")

    with pytest.raises(SettingsError, match=r"CXR_MODELS_DIR: no\.pem holds no certificates"):
        create_app(chosen)


@pytest.mark.parametrize(
    ("address", "rule"),
    [("oci://registry/cxr", "names neither a tag nor a digest"), ("oci://u:p@r/x:1", "holds a login")],
)
def test_an_address_that_names_no_store_is_refused(address, rule) -> None:
    with pytest.raises(ValueError, match=rule) as refusal:
        settings_of(models_dir=address)

    assert "u:p" not in str(refusal.value).partition("[type")[0]
