"""Rules of the lists of `GET /results`, as an operator's script reads them."""

from urllib.parse import urljoin

import pytest

from tests.service.dicomweb.films import STUDY, film, stow, uid

pytestmark = pytest.mark.anyio
NAMES = ["a", "b", "c", "d", "e"]


async def store(client) -> None:
    for name in NAMES:
        (await client.post("/dicomweb/studies", **stow(film(name)))).raise_for_status()


@pytest.mark.parametrize("way", ["link", "field"])
async def test_the_next_page_is_named_in_a_header_and_in_the_body(serve_dicomweb, way) -> None:
    shown = []
    async with serve_dicomweb() as client:
        await store(client)
        asked = {"order": "received", "limit": 2, "study": STUDY}
        page = await client.get("/results", params=asked)
        while True:
            shown.append([row["sop_instance_uid"] for row in page.json()["results"]])
            if (cursor := page.json()["next"]) is None:
                break
            link = urljoin(str(page.url), page.links["next"]["url"])
            page = await (
                client.get(link) if way == "link" else client.get("/results", params=asked | {"cursor": cursor})
            )

    assert shown == [[uid("e"), uid("d")], [uid("c"), uid("b")], [uid("a")]]
    assert "Link" not in page.headers


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("since=2000-01-01T00:00:00Z", 5),
        ("since=2000-01-01T00:00:00+01:00", 5),  # a plus sign as a shell passes it on
        ("until=2000-01-01T00:00:00Z", 0),
        (f"study={STUDY}&limit=3", 3),
        ("study=1.2.3", 0),
        ("problem=spool_full", 0),
    ],
)
async def test_filters_are_parameters(serve_dicomweb, query, shown) -> None:
    async with serve_dicomweb() as client:
        await store(client)
        answer = await client.get(f"/results?{query}")

    assert (answer.status_code, len(answer.json()["results"])) == (200, shown)


@pytest.mark.parametrize(
    "query", ["cursor=Jane", "decision=ill", "since=yesterday", "since=2026-01-01T00:00:00", "problem=X'", "order=name"]
)
async def test_a_filter_that_cannot_be_understood_is_refused_by_name(serve_dicomweb, query) -> None:
    async with serve_dicomweb() as client:
        refused = await client.get(f"/results?{query}")

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
    assert query.partition("=")[0] in refused.json()["detail"]


async def test_a_cursor_belongs_to_its_order(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        await store(client)
        cursor = (await client.get("/results?limit=1")).json()["next"]
        refused = await client.get("/results", params={"cursor": cursor, "order": "received"})

    assert refused.status_code == 422
    assert "order=changed" in refused.json()["detail"]


async def test_a_silent_service_shows_no_decision_by_what_it_lists(serve_dicomweb) -> None:
    async with serve_dicomweb(mode="silent", host="0.0.0.0", allow_anonymous=True) as client:
        listed = await client.get("/results")
        refused = await client.get("/results?decision=positive")

    assert (listed.status_code, refused.status_code, refused.json()["code"]) == (200, 403, "silent")
