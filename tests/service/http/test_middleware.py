"""Rules of what surrounds every request."""

import re

import pytest

from service.http.middleware import ProblemMiddleware, RequestMiddleware
from tests.service.conftest import flat_film

pytestmark = pytest.mark.anyio

FILM = flat_film(200)
PNG = {"Content-Type": "image/png"}


@pytest.mark.parametrize("request_id", ["film-17", "a" * 128, "2026/11/21:7+x=_.y"])
async def test_a_sane_request_id_is_kept(client, request_id) -> None:
    response = await client.post("/predict", content=FILM, headers=PNG | {"X-Request-ID": request_id})

    assert response.headers["X-Request-ID"] == request_id == response.json()["request_id"]


@pytest.mark.parametrize("request_id", ["", "a" * 129, "Doe John", "ü".encode(), "a\tb", '"}'])
async def test_any_other_request_id_is_replaced(client, request_id) -> None:
    response = await client.post("/predict", content=b"", headers={"X-Request-ID": request_id})

    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])
    assert response.json()["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/predict/", 404, "not_found"),
        ("GET", "/static/../app.py", 404, "not_found"),
        ("GET", "/static/none.js", 404, "not_found"),
        ("GET", "/predict", 405, "method_not_allowed"),
        ("DELETE", "/models", 405, "method_not_allowed"),
        ("BREW", "/predict", 405, "method_not_allowed"),
        ("POST", "/static/page/answer.js", 405, "method_not_allowed"),
    ],
)
async def test_the_frameworks_own_refusals_are_problems(client, method, address, status, code) -> None:
    response = await client.request(method, address)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert ("Allow" in response.headers) == (status == 405)
    assert response.headers["X-Request-ID"] == response.json()["request_id"]


async def test_a_malformed_range_of_a_static_file_is_a_problem(client) -> None:
    response = await client.get("/static/page/answer.js", headers={"Range": "bytes=99999999-"})

    assert (response.status_code, response.json()["code"]) == (400, "malformed_request")


async def test_an_unforeseen_exception_is_logged_with_its_traceback_and_told_to_nobody(serve, logged) -> None:
    async with serve() as client:
        client.services.decode_lanes.shutdown()
        response = await client.post("/predict", content=FILM, headers=PNG)

    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "shutdown" not in response.text
    assert [event["exc_info"] for event in logged if event["event"] == "request_failed"] == [True]


@pytest.mark.parametrize("address", ["/", "/livez", "/nowhere", "/docs", "/static/page/answer.js"])
async def test_every_answer_forbids_outside_addresses_and_sniffing(client, address) -> None:
    response = await client.get(address)

    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_answers_about_films_are_stored_nowhere(client) -> None:
    response = await client.post("/predict", content=FILM, headers=PNG)

    assert response.headers["Cache-Control"] == "no-store"


async def test_requests_are_counted_by_route_and_never_by_address(client) -> None:
    await client.get("/models/Doe/John")
    await client.get("/nowhere/Doe")
    await client.request("BREW", "/predict")
    text = (await client.get("/metrics")).text

    assert 'cxr_http_requests_total{method="GET",route="/models/{name}/{version}",status="404"} 1.0' in text
    assert 'cxr_http_requests_total{method="GET",route="other",status="404"} 1.0' in text
    assert 'method="other"' in text
    assert "Doe" not in text
    assert "cxr_http_requests_inflight 1.0" in text


async def test_a_finished_request_is_logged_once_without_its_address_and_probes_are_not(client, logged) -> None:
    await client.get("/models/Doe/John?patient=Doe")
    await client.get("/livez")

    finished = [event for event in logged if event["event"] == "request_finished"]
    assert [event["route"] for event in finished] == ["/models/{name}/{version}"]
    assert "Doe" not in str(logged)


@pytest.mark.parametrize("middleware", [lambda app: RequestMiddleware(app, None), ProblemMiddleware])
async def test_what_is_not_http_passes_through(middleware) -> None:
    seen = []

    async def app(scope, receive, send) -> None:
        seen.append((scope, receive, send))

    await middleware(app)({"type": "lifespan"}, "receive", "send")

    assert seen == [({"type": "lifespan"}, "receive", "send")]
