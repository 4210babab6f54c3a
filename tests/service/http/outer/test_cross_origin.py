"""Rules of pages of other origins."""

import pytest

from schemas.errors import SettingsError
from service.settings import load_settings
from tests.service.conftest import flat_film

pytestmark = pytest.mark.anyio

VIEWER, OTHER = "https://viewer.hospital.example", "https://viewer.hospital.example:8443"
LISTED = {"cors_origins": f"{VIEWER}, http://localhost:5173"}
FROM_VIEWER = {"Origin": VIEWER, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,idempotency-key,x-api-key",
}
FILM = flat_film(200)


async def test_a_page_of_a_listed_origin_sends_films_and_reads_the_answers(serve) -> None:
    async with serve(**LISTED) as client:
        asked = await client.options("/predict", headers=FROM_VIEWER | PREFLIGHT)
        answered = await client.post("/predict", content=FILM, headers=FROM_VIEWER)

    accepted = {name.strip().lower() for name in asked.headers["Access-Control-Allow-Headers"].split(",")}
    assert asked.status_code == 204
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert set(PREFLIGHT["Access-Control-Request-Headers"].split(",")) <= accepted
    assert answered.status_code == 200
    assert "Retry-After" in answered.headers["Access-Control-Expose-Headers"]
    for answer in (asked, answered):
        assert answer.headers["Access-Control-Allow-Origin"] == VIEWER
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", [OTHER, VIEWER.replace("https", "http"), "https://evil.example", "null"])
async def test_a_page_of_any_other_origin_is_refused_and_reads_nothing(serve, origin) -> None:
    async with serve(**LISTED) as client:
        asked = await client.options("/predict", headers=FROM_VIEWER | PREFLIGHT | {"Origin": origin})
        refused = await client.post("/predict", content=FILM, headers=FROM_VIEWER | {"Origin": origin})

    assert refused.status_code == 403
    for answer in (asked, refused):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["Vary"] == "Origin"


async def test_a_listed_page_needs_a_key_where_others_do_and_may_read_every_refusal(serve, tmp_path) -> None:
    (tmp_path / "keys.json").write_text('{"format": 1, "keys": []}')
    async with serve(**LISTED, api_keys_file=tmp_path / "keys.json") as client:
        asked = await client.options("/predict", headers=FROM_VIEWER | PREFLIGHT)
        refused = await client.post("/predict", content=FILM, headers=FROM_VIEWER)
        client.services.admission.drain()
        early = await client.post("/predict", content=FILM, headers=FROM_VIEWER)

    assert [answer.status_code for answer in (asked, refused, early)] == [204, 401, 503]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in (asked, refused, early)} == {VIEWER}


async def test_without_a_list_nothing_is_said_about_origins(client) -> None:
    answer = await client.get("/livez", headers={"Origin": VIEWER})

    assert not [name for name in answer.headers if name.startswith("access-control") or name == "vary"]


@pytest.mark.parametrize(
    "origins", ["*", "null", f"{VIEWER}/", f"{VIEWER}/viewer", "viewer.example", "https://*.example", f"{VIEWER},*"]
)
def test_what_is_not_an_exact_origin_is_refused_at_the_start(monkeypatch, origins) -> None:
    monkeypatch.setenv("CXR_CORS_ORIGINS", origins)

    with pytest.raises(SettingsError, match=r"CXR_CORS_ORIGINS.*\* is not one"):
        load_settings()
