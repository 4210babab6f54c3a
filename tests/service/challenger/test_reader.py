"""Rules of a bundle that reads along: it answers nobody, and whatever happens to it touches no answer."""

import asyncio
import os
import threading

import pytest
from sqlalchemy import select

from service.capacity.threads import ROUTINE, SPARE
from service.challenger.tables import answers
from service.dicomweb.tables import open_database
from service.engine.engine import OnnxEngine
from tests.fakes import GatedOpener
from tests.service.bundles import write_tiny_bundle
from tests.service.dicomweb.films import STUDY, film, stow, uid
from tests.service.security.test_authentication import Keys
from tests.service.spoilt import flipped
from tests.waiting import until

pytestmark = pytest.mark.anyio

SOON = {"model_poll_s": 0.01}


@pytest.fixture
def models(tmp_path):
    """Two versions of the tiny bundle, of which the first is current."""
    folder = tmp_path / "models"
    write_tiny_bundle(folder)
    write_tiny_bundle(folder, version="2.0.0", current=False)
    return folder


@pytest.fixture
def trial(serve_dicomweb, models):
    """`async with trial() as client`: 1.0.0 serves, and 2.0.0 reads along."""
    return lambda **settings: serve_dicomweb(
        **{"models_dir": models, "model": "tiny/1.0.0", "challenger": "tiny/2.0.0"} | settings
    )


async def loaded(client):
    await until(lambda: client.services.challenger.live is not None)


async def stored(client, *films):
    response = await client.post("/dicomweb/studies", **stow(*films))
    assert response.status_code == 200, response.text


async def result_of(client, name, field):
    async def result():
        body = (await client.get(f"/results/{uid(name)}")).json()
        return body if body.get(field) else None

    return await until(result)


def counted(client, outcome):
    return client.services.metrics.registry.get_sample_value("cxr_challenger_films_total", {"outcome": outcome}) or 0


async def test_a_film_has_the_answers_of_both_bundles(trial) -> None:
    async with trial() as client:
        await loaded(client)
        await stored(client, film())
        body = await result_of(client, "film", "challenger")

    assert (body["analysis"]["model"]["version"], body["challenger"]["model"]["version"]) == ("1.0.0", "2.0.0")
    assert body["challenger"]["prediction"] == body["analysis"]["prediction"]


class SecondGated:
    """An opener whose engine of version 2.0.0 runs behind a gate, and the others as they are."""

    def __init__(self) -> None:
        self.gated = GatedOpener()

    @property
    def engine(self):
        return self.gated.engine

    def __call__(self, bundle, **options):
        return (self.gated if bundle.manifest.version == "2.0.0" else OnnxEngine.open)(bundle, **options)


async def test_the_pacs_gets_the_results_of_the_bundle_that_serves_alone(trial, archive) -> None:
    async with trial(pacs_url=archive.url) as client:
        await loaded(client)
        await stored(client, film())
        body = await result_of(client, "film", "challenger")
        await until(lambda: client.intake.ledger.depth().states.get("delivered"))

    assert body["challenger"]["model"]["version"] == "2.0.0"
    versions = {str(each.SoftwareVersions) for each in archive.instances if "SoftwareVersions" in each}
    assert len(archive.instances) == 3
    assert not any("2.0.0" in version for version in versions)
    assert not any(b"tiny/2.0.0" in each.to_json().encode() for each in archive.instances)


async def test_a_network_that_fails_touches_no_answer(trial) -> None:
    opener = SecondGated()
    async with trial(open_engine=opener) as client:
        await loaded(client)
        opener.engine.broken = RuntimeError("broken")
        await stored(client, film())
        body = await result_of(client, "film", "analysis")
        await until(lambda: counted(client, "failed"))
        alive = await client.get("/livez")
        ready = await client.get("/readyz")

    assert (body["state"], body["analysis"]["prediction"]["decision"]) == ("analysed", "positive")
    assert (alive.status_code, ready.status_code) == (200, 200)


async def test_films_do_not_wait_for_a_network_that_hangs_and_those_beyond_the_queue_are_not_read(trial) -> None:
    opener = SecondGated()
    names = [f"film {number}" for number in range(5)]
    async with trial(open_engine=opener, challenger_queue=2) as client:
        await loaded(client)
        opener.engine.gate.clear()
        for name in names:  # one by one, that the first is in hand before the queue is full
            await stored(client, film(name))
            await result_of(client, name, "analysis")
        await until(lambda: counted(client, "skipped") == 2)
        opener.engine.gate.set()
        await until(lambda: counted(client, "answered") == 3)

        read = [name for name in names if (await client.get(f"/results/{uid(name)}")).json()["challenger"]]

    assert len(read) == 3


async def test_a_bundle_that_is_refused_hinders_nothing_and_says_why(trial, models) -> None:
    flipped(models / "tiny" / "2.0.0")
    async with trial() as client:
        await stored(client, film())
        body = await result_of(client, "film", "analysis")
        await until(lambda: client.services.challenger.refused)
        report = await client.get("/models/challenger")
        ready = await client.get("/readyz")

    assert (body["analysis"]["model"]["version"], body["challenger"]) == ("1.0.0", None)
    assert (report.status_code, report.json()["code"]) == (503, "not_ready")
    assert "model.onnx" in report.json()["detail"]
    assert ready.status_code == 200


async def test_a_repaired_bundle_begins_to_read_without_a_restart(trial, models, tmp_path) -> None:
    (models / "tiny" / "2.0.0").rename(tmp_path / "elsewhere")
    async with trial(**SOON) as client:
        await stored(client, film("before"))
        await result_of(client, "before", "analysis")
        (tmp_path / "elsewhere").rename(models / "tiny" / "2.0.0")
        await loaded(client)
        await stored(client, film("after"))
        await result_of(client, "after", "challenger")
        before = (await client.get(f"/results/{uid('before')}")).json()

    assert before["challenger"] is None


async def test_the_answers_outlast_the_films(trial) -> None:
    async with trial(results_retention_h=0) as client:
        await loaded(client)
        await stored(client, film())
        await until(lambda: counted(client, "answered"))
        await asyncio.to_thread(client.intake.ledger.prune)
        gone = await client.get(f"/results/{uid('film')}")
        report = (await client.get("/models/challenger")).json()

    assert gone.status_code == 404
    assert report["first_at"] is not None


async def test_the_table_names_no_film_and_no_patient(trial, spool_url) -> None:
    async with trial() as client:
        await loaded(client)
        await stored(client, film(PatientName="Doe^Jane", PatientID="4711", PatientSex="F"))
        await result_of(client, "film", "challenger")
    with open_database(spool_url) as engine, engine.connect() as connection:
        row = str(connection.execute(select(answers)).one())

    assert "'F'" in row
    assert not any(secret in row for secret in (uid("film"), STUDY, "Doe", "4711"))


async def test_callers_without_the_scope_see_nothing_of_the_trial(trial, tmp_path) -> None:
    keys = Keys(tmp_path / "keys.json")
    ris, judge = (
        {"X-API-Key": keys.add(name, *scopes)} for name, scopes in (("ris", ("dicom",)), ("judge", ("dicom", "trial")))
    )
    async with trial(api_keys_file=keys.path) as client:
        await loaded(client)
        request = stow(film())
        request["headers"] |= ris
        await client.post("/dicomweb/studies", **request)
        await until(lambda: counted(client, "answered"))
        address = f"/results/{uid('film')}"
        seen = [(await client.get(address, headers=key)).json()["challenger"] is not None for key in (ris, judge)]
        refused = await client.get("/models/challenger", headers=ris)

    assert seen == [False, True]
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


class Polite:
    """An engine that notes the niceness of the thread on which it runs."""

    def __init__(self, behind) -> None:
        self.behind = behind
        self.niceness = []

    def run(self, images, targets):
        self.niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return self.behind.run(images, targets)

    def interrupt(self, longest_s) -> None:
        self.behind.interrupt(longest_s)


@pytest.mark.niceness
async def test_its_thread_gives_way_to_every_other(trial) -> None:
    engines = {}

    def opener(bundle, **options):
        engines[bundle.manifest.version] = Polite(OnnxEngine.open(bundle, **options))
        return engines[bundle.manifest.version]

    own = os.getpriority(os.PRIO_PROCESS, 0)
    async with trial(open_engine=opener) as client:
        await loaded(client)
        await stored(client, film())
        await until(lambda: counted(client, "answered"))

    assert [engines[version].niceness[-1] - own for version in ("1.0.0", "2.0.0")] == [ROUTINE, SPARE]


async def test_without_a_challenger_there_is_nothing_to_compare(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        report = await client.get("/models/challenger")
        await stored(client, film())
        body = await result_of(client, "film", "analysis")

    assert (report.status_code, body["challenger"]) == (404, None)
    assert "CXR_CHALLENGER" in report.json()["detail"]


async def test_it_reads_while_no_film_waits_for_an_answer(trial) -> None:
    gated = {version: GatedOpener() for version in ("1.0.0", "2.0.0")}

    def opener(bundle, **options):
        return gated[bundle.manifest.version](bundle, **options)

    async with trial(open_engine=opener) as client:
        await loaded(client)
        gated["2.0.0"].engine.gate.clear()
        for name in ("in hand", "waiting"):
            await stored(client, film(name))
            await result_of(client, name, "analysis")
        gated["1.0.0"].engine.gate.clear()
        urgent = asyncio.create_task(client.post("/predict?priority=stat", content=film("urgent")))
        await until(lambda: not client.services.admission.idle)
        gated["2.0.0"].engine.gate.set()
        await until(lambda: counted(client, "answered") == 1)
        await client.get("/livez")
        waiting = client.services.metrics.registry.get_sample_value("cxr_challenger_queue_depth")
        gated["1.0.0"].engine.gate.set()
        await urgent
        await until(lambda: counted(client, "answered") == 2)

    assert waiting == 1
