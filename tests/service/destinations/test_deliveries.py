"""Rules of deliveries to several destinations, through the app and with real receivers."""

import sqlite3

import pytest
import yaml

from service.destinations import deliveries
from tests.service.dicomweb.archive import FakeArchive
from tests.service.dicomweb.films import film, stow, uid
from tests.service.dimse.pacs import DimseArchive
from tests.service.receiver import Receiver
from tests.waiting import until

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AWAY = "http://127.0.0.1:9/"
"""Nobody listens there."""


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def second():
    archive = FakeArchive()
    yield archive
    archive.close()


@pytest.fixture
def webhook(tmp_path):
    secret = tmp_path / "webhook-secret"
    secret.write_text(SECRET)

    def of(url, name="chat", **more):
        return {"name": name, "kind": "webhook", "url": url, "secret_file": str(secret)} | more

    return of


@pytest.fixture
def serve_to(serve_dicomweb, tmp_path):
    def start(*rows, **settings):
        file = tmp_path / "destinations.yml"
        file.write_text(yaml.safe_dump({"destinations": list(rows)}))
        return serve_dicomweb(destinations=file, **settings)

    return start


async def states(client, name="film"):
    answer = await client.get(f"/results/{uid(name)}")
    return {each["name"]: each["state"] for each in answer.json()["destinations"]}


async def store(client, *films):
    assert (await client.post("/dicomweb/studies", **stow(*films))).status_code == 200


async def test_each_destination_gets_what_its_rules_let_through(serve_to, webhook, receiver, archive, second) -> None:
    rows = [
        webhook(receiver.url),
        {"name": "research", "kind": "dicomweb", "url": second.url, "rules": {"decisions": ["negative"]}},
    ]
    async with serve_to(*rows, pacs_url=archive.url) as client:
        await store(client, film("film", gray=200), film("clear", gray=60))
        await until(lambda: _is(client, "film", {"chat": "delivered"}))
        await until(lambda: _is(client, "clear", {"research": "delivered"}))
        await until(lambda: len(archive.stored) == 4)  # three objects of the positive, one of the negative

    assert [request.json["data"]["sop_instance_uid"] for request in receiver.received] == [uid("film")]
    assert len(second.stored) == 1


async def _is(client, name, expected):
    return await states(client, name) == expected


async def _tried(client, name, destination):
    """What the destination is shown with, once an attempt has failed."""
    shown = (await client.get(f"/results/{uid(name)}")).json()["destinations"]
    return next((each for each in shown if each["name"] == destination and each["problem"]), None)


async def test_a_second_archive_behind_dimse_gets_the_objects(serve_to, tmp_path) -> None:
    archive = DimseArchive()
    try:
        async with serve_to({"name": "research", "kind": "dimse", "peer": archive.address}) as client:
            await store(client, film())
            await until(lambda: _is(client, "film", {"research": "delivered"}))
    finally:
        archive.close()

    assert len(archive.stored) == 3
    assert set(archive.stored.values()) == {1}


async def test_a_destination_that_is_down_holds_up_neither_another_nor_the_pacs(
    serve_to, webhook, receiver, archive
) -> None:
    async with serve_to(webhook(AWAY, "down"), webhook(receiver.url), pacs_url=archive.url) as client:
        await store(client, film())
        down = await until(lambda: _tried(client, "film", "down"))
        await until(lambda: _is(client, "film", {"chat": "delivered", "down": "waiting"}))
        await until(lambda: len(archive.stored) == 3)

    assert down["problem"] == "destination_unreachable"
    assert "destination down gave no answer: nothing listens at its address; check url" in down["detail"]


async def test_a_dead_letter_is_counted_and_retried_by_an_operator(serve_to, webhook, receiver) -> None:
    receiver.statuses = [422, 422]
    async with serve_to(webhook(receiver.url, "a"), webhook(receiver.url, "b")) as client:
        await store(client, film())
        await until(lambda: _is(client, "film", {"a": "failed", "b": "failed"}))
        metrics = (await client.get("/metrics")).text
        answer = await client.post(f"/results/{uid('film')}/retry")
        await until(lambda: _is(client, "film", {"a": "delivered", "b": "delivered"}))
        again = await client.post(f"/results/{uid('film')}/retry")

    assert 'cxr_destination_deliveries_total{destination="a",outcome="failed"} 1.0' in metrics
    assert (answer.status_code, again.status_code) == (202, 404)
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 2  # the same at each attempt
    assert len(receiver.received) == 4


async def test_depth_and_age_are_measured_by_destination_and_state(serve_to, webhook, monkeypatch) -> None:
    monkeypatch.setattr(deliveries, "HOUSEKEEPING_S", 0.01)
    async with serve_to(webhook(AWAY, "down")) as client:
        await store(client, film())

        async def is_counted():
            text = (await client.get("/metrics")).text
            return 'cxr_destination_depth{destination="down",state="waiting"} 1.0' in text

        await until(is_counted)
        text = (await client.get("/metrics")).text

    assert 'cxr_destination_depth{destination="down",state="failed"} 0.0' in text
    assert 'cxr_destination_oldest_seconds{destination="down"}' in text


async def test_dead_letters_whose_retention_is_over_go_with_a_line_and_a_count(
    serve_to, webhook, receiver, monkeypatch, logged
) -> None:
    monkeypatch.setattr(deliveries, "HOUSEKEEPING_S", 0.01)
    receiver.statuses = [422]
    async with serve_to(webhook(receiver.url), results_retention_h=0) as client:
        await store(client, film())

        async def is_forgotten():
            return 'cxr_destination_forgotten_total{destination="chat"} 1.0' in (await client.get("/metrics")).text

        await until(is_forgotten)

    (line,) = [event for event in logged if event["event"] == "destination_letters_forgotten"]
    assert (line["destination"], line["parcels"], line["log_level"]) == ("chat", 1, "error")


async def test_a_film_is_not_forgotten_while_a_destination_waits_for_its_results(
    serve_to, webhook, monkeypatch, spool_url
) -> None:
    async with serve_to(webhook(AWAY, "down"), results_retention_h=0) as client:
        await store(client, film())
        await until(lambda: _is(client, "film", {"down": "waiting"}))
        client.intake.ledger.prune()

        assert await states(client) == {"down": "waiting"}


async def test_a_silent_service_delivers_nothing(serve_to, webhook, receiver) -> None:
    async with serve_to(webhook(receiver.url), mode="silent") as client:
        await store(client, film())
        await until(lambda: client.intake.ledger.find(uid("film"))[0].state == "analysed")
        known = client.intake.outbox.states(uid("film"))

    assert (known, receiver.received) == ((), [])


async def test_a_destination_that_cannot_pack_a_film_keeps_it_from_no_other(
    serve_to, webhook, receiver, archive, monkeypatch
) -> None:
    from service.destinations.kinds.webhook import Webhook

    pack = Webhook.pack

    def broken(self, film):
        if self.entry.name == "broken":
            raise ZeroDivisionError
        return pack(self, film)

    monkeypatch.setattr(Webhook, "pack", broken)
    async with serve_to(webhook(receiver.url, "broken"), webhook(receiver.url), pacs_url=archive.url) as client:
        await store(client, film())
        await until(lambda: _is(client, "film", {"chat": "delivered", "broken": "failed"}))

    assert len(archive.stored) == 3


async def test_a_suspension_is_announced_once_and_survives_until_it_is_delivered(
    serve_to, webhook, receiver, tmp_path
) -> None:
    from tests.service.surveillance.site import write_limits

    receiver.statuses = [503]
    wrong = [f"wrong {number}" for number in range(40)]
    async with serve_to(webhook(receiver.url), stop_limits=write_limits(tmp_path)) as client:
        for start in range(0, len(wrong), 20):
            await store(client, *(film(name) for name in wrong[start : start + 20]))
        await until(lambda: _readings(client, len(wrong)))
        for name in wrong:
            await client.post(f"/results/{uid(name)}/verdict", json={"verdict": "reject"})
        assert (await client.get("/monitoring")).json()["suspended"]
        await until(lambda: [each for each in receiver.received if each.json["type"] == "service.suspended"])
        events = [each for each in receiver.received if each.json["type"] == "service.suspended"]

    assert len({each.headers["webhook-id"] for each in events}) == 1


async def _readings(client, count):
    return (await client.get("/monitoring")).json()["readings"] == count


def test_an_outbox_of_the_version_before_gets_its_tables(tmp_path) -> None:
    """The spool of an older version has no outbox: its tables are made beside those that are there."""
    from service.dicomweb.tables import open_database

    file = tmp_path / "old.db"
    with open_database(f"sqlite:///{file}"):
        pass
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE outbox_contents")
        connection.execute("DROP TABLE outbox_parcels")
    connection.close()
    with open_database(f"sqlite:///{file}") as engine, engine.connect() as again:
        assert again.exec_driver_sql("SELECT count(*) FROM outbox_parcels").scalar() == 0
