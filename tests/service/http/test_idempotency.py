"""Rules of `Idempotency-Key`, through the app and a real server."""

import asyncio
import json
import socket

import httpx2
import pytest

from tests.fakes import GatedOpener
from tests.service.answers.test_suspension import STOP
from tests.service.audit.lines import records
from tests.service.conftest import flat_film
from tests.service.server import Server
from tests.waiting import until, wait_until

pytestmark = pytest.mark.anyio

FILM, OTHER = flat_film(200), flat_film(60)
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


def send(client, film=FILM, path="/predict", **options):
    headers = KEY | options.pop("headers", {})
    return client.post(path, files={"file": ("film", film)}, headers=headers, **options)


def film_records(log):
    return [line for line in records(log) if line["event"] == "film"]


@pytest.mark.parametrize(
    ("path", "accept"), [("/predict", "*/*"), ("/explain", "application/json"), ("/explain", "image/png")]
)
async def test_a_request_sent_again_gets_its_answer_and_leaves_one_record_and_one_analysis(
    serve, log, path, accept
) -> None:
    async with serve(audit_file=log, rate_limit=1) as client:
        first = await send(client, path=path, headers={"Accept": accept})
        client.services.gate._quota._buckets._of["anonymous"].films = 1
        again = await send(
            client, path=path, headers={"Accept": accept, "Idempotency-Key": KEY["Idempotency-Key"][1:-1]}
        )
        films = client.services.metrics.bundle().registry.get_sample_value("cxr_images_total")
        left = client.services.gate._quota._buckets._of["anonymous"].films

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert (len(film_records(log)), films) == (1, 1)
    assert left >= 1  # the film was not counted again


@pytest.mark.parametrize(
    "other", [{"film": OTHER}, {"params": {"age": "4"}}, {"headers": {"X-View": "PA"}}, {"params": {"view": "AP"}}]
)
async def test_a_key_that_comes_with_another_film_or_question_is_refused(client, other) -> None:
    await send(client)
    refused = await send(client, **other)

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_another_heat_map_of_the_film_is_another_question(client) -> None:
    await send(client, path="/explain")
    refused = await send(client, path="/explain", params={"finding": "NORMAL"})
    as_picture = await send(client, path="/explain", headers={"Accept": "image/png"})
    elsewhere = await send(client)

    assert [answer.status_code for answer in (refused, as_picture, elsewhere)] == [422, 422, 200]


async def test_how_urgent_a_request_is_and_how_it_is_packed_changes_nothing(client) -> None:
    first = await send(client)
    urgent = await send(client, params={"priority": "stat"}, headers={"X-Deadline-Ms": "20000"})
    bare = await client.post("/predict", content=FILM, headers=KEY)

    assert urgent.content == bare.content == first.content


async def test_a_film_that_cannot_be_read_is_refused_again_without_a_second_record(serve, log) -> None:
    async with serve(audit_file=log) as client:
        first = await send(client, FILM[:60])
        again = await send(client, FILM[:60])

    assert (first.status_code, again.status_code) == (422, 422)
    assert again.json()["detail"] == first.json()["detail"]
    assert len(film_records(log)) == 1


async def test_a_refusal_that_passes_is_not_kept(client) -> None:
    late = await send(client, headers={"X-Deadline-Ms": "1"})
    again = await send(client)

    assert (late.status_code, again.status_code) == (504, 200)
    assert "Idempotent-Replayed" not in again.headers


async def test_a_request_that_is_being_answered_is_refused_with_the_time_to_come_back(serve) -> None:
    opener = GatedOpener()
    async with serve(open_engine=opener) as client:
        opener.engine.gate.clear()
        first = asyncio.create_task(send(client))
        await until(lambda: client.services.metrics.inflight_images._value.get() == 1)
        refused = [await send(client) for _ in range(3)]
        opener.engine.gate.set()
        answered = await first
        again = await send(client)

    assert answered.status_code == 200
    assert {(each.status_code, each.json()["code"], each.headers["Retry-After"]) for each in refused} == {
        (409, "idempotency_key_in_use", "1")
    }
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", '""', '"open', "two words", "k" * 256, 'a"b', "Müller".encode()])
async def test_what_is_no_key_is_refused(client, key) -> None:
    refused = await send(client, headers={"Idempotency-Key": key})

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
    assert "Idempotency-Key" in refused.json()["detail"]


async def test_two_keys_are_none(client) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    assert (await client.post("/predict", content=FILM, headers=headers)).status_code == 422


async def test_where_no_answers_are_kept_the_header_means_nothing(serve) -> None:
    async with serve(idempotency_s=0) as client:
        await send(client)
        again = await send(client, OTHER)

    assert (again.status_code, "Idempotent-Replayed" in again.headers) == (200, False)


async def test_nothing_that_was_answered_is_answered_again_while_the_service_is_suspended(client) -> None:
    first = await send(client)
    client.services.stop.suspension = STOP
    try:
        answer = await send(client)
    finally:
        client.services.stop.suspension = None

    assert answer.json()["prediction"]["abstention_reasons"][0] == "suspended"
    assert (await send(client)).content == first.content


@pytest.mark.process
def test_a_caller_who_leaves_finds_the_answer_when_they_come_back(tiny_models, tmp_path) -> None:
    log = tmp_path / "audit.jsonl"
    server = Server(tiny_models, audit_file=log)
    try:
        head = (
            f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(FILM)}\r\nIdempotency-Key: lost\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode() + FILM)
        wait_until(lambda: log.exists() and film_records(log) != [], "the film is recorded")

        def again() -> httpx2.Response:
            return server.client.post("/predict", content=FILM, headers={"Idempotency-Key": "lost"})

        wait_until(lambda: again().status_code == 200, "the answer is kept")
        answer = again()
        written = film_records(log)
    finally:
        server.end()

    assert answer.headers["Idempotent-Replayed"] == "true"
    assert [record.get("decision") for record in written] == [answer.json()["prediction"]["decision"]]
    assert json.loads(answer.content)["request_id"] == written[0]["request_id"]
