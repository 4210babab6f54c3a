"""Rules of HEAD, and of the paths that a PACS joins."""

import socket

import pytest
from fastapi.routing import APIRoute

from service.app import ROUTES
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import STUDY, film, stow, uid
from tests.service.server import Server

pytestmark = pytest.mark.anyio

PAGES = sorted(
    route.path.replace("{name}/{version}", "tiny/1.0.0").replace("{sop_instance_uid}", "1.2.3")
    for module in ROUTES
    for route in module.router.routes
    if isinstance(route, APIRoute) and "GET" in route.methods
)


def test_the_pages_are_known() -> None:
    assert {"/", "/docs", "/models/current", "/livez", "/results/1.2.3/fhir"} <= set(PAGES)


@pytest.mark.parametrize("path", [*PAGES, "/openapi.json", "/static/page/words.js", "/nowhere"])
async def test_head_answers_what_get_does_without_its_body(client, path) -> None:
    got = await client.get(path)
    head = await client.head(path)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    if path != "/metrics":  # it counts this request
        assert head.headers["Content-Length"] == str(len(got.content))


@pytest.mark.process
def test_after_head_the_connection_of_a_real_server_is_of_use(tiny_models) -> None:
    server = Server(tiny_models)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            heads = [f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in (*PAGES, "/static/page/words.js")]
            last = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            connection.sendall("".join([*heads, last]).encode())
            received = b"".join(iter(lambda: connection.recv(65536), b""))
    finally:
        server.end()

    answers = received.split(b"HTTP/1.1 ")[1:]
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
    assert len(answers) == len(heads) + 1
    assert set(bodies[:-1]) == {b""}  # what follows a head is the next head
    assert bodies[-1] == b'{"status":"alive"}'
    assert all(b"content-length: " in answer.lower() for answer in answers)


async def test_head_where_nothing_can_be_got_is_refused_and_the_others_are_named(client) -> None:
    refused = await client.head("/predict")
    page = await client.delete("/models")

    assert (refused.status_code, refused.headers["Allow"], refused.content) == (405, "OPTIONS, POST", b"")
    assert page.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_head_is_counted_as_head_under_its_route(client) -> None:
    await client.head("/models/tiny/1.0.0")

    labels = {"route": "/models/{name}/{version}", "method": "HEAD", "status": "200"}
    assert client.services.metrics.registry.get_sample_value("cxr_http_requests_total", labels) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/dicomweb/studies/",
        "/dicomweb//studies",
        "//dicomweb/studies",
        "/dicomweb///studies//",
        f"/dicomweb//studies/{STUDY}/",
    ],
)
async def test_a_path_that_a_client_joined_carelessly_stores_the_film(serve_dicomweb, path) -> None:
    async with serve_dicomweb() as client:
        stored = await client.post(f"http://localhost{path}", **stow(film()))

    assert stored.status_code == 200
    assert stored.json()["00081199"]["Value"][0]["00081155"]["Value"] == [uid("film")]


@pytest.mark.parametrize("path", ["/predict/", "//predict", "/models/", "//admin/drain"])
async def test_other_addresses_have_one_form(client, path) -> None:
    refused = await client.post(f"http://localhost{path}", content=flat_film(200))

    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
