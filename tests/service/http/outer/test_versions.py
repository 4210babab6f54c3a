"""Rules of the second name of every address."""

import pytest

from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film, stow, uid
from tests.waiting import until

pytestmark = pytest.mark.anyio
FILM = flat_film(200)


async def test_every_get_of_the_interface_answers_under_both_names(serve_dicomweb) -> None:
    async with serve_dicomweb() as client:
        await client.post("/v1/dicomweb//studies/", **stow(film()))

        async def analysed() -> bool:
            return (await client.get(f"/results/{uid('film')}/fhir")).status_code == 200

        await until(analysed)  # its state must not change between two names
        paths = [path for path, methods in client.app.api.openapi()["paths"].items() if "get" in methods]
        for path in [*paths, "/openapi.json"]:
            address = path.replace("{sop_instance_uid}", uid("film")).replace("{name}/{version}", "tiny/1.0.0")
            first = await client.get(address)
            second = await client.get(f"/v1{address}")

            assert second.status_code == first.status_code, path
            assert second.headers["Content-Type"] == first.headers["Content-Type"]


async def test_a_film_is_read_and_counted_once_under_the_first_name(client) -> None:
    answer = await client.post("/v1/predict", content=FILM)
    samples = client.services.metrics.registry.get_sample_value
    labels = {"method": "POST", "status": "200"}

    assert answer.status_code == 200
    assert samples("cxr_http_requests_total", {"route": "/predict", **labels}) == 1
    assert samples("cxr_http_requests_total", {"route": "/v1/predict", **labels}) is None
    assert [path for path in client.app.api.openapi()["paths"] if path.startswith("/v1")] == []


async def test_what_is_refused_early_is_refused_early_under_both_names(client) -> None:
    client.services.admission.drain()
    refused = await client.post("/v1/predict", content=FILM)

    labels = {"route": "/predict", "method": "POST", "status": "503"}
    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert client.services.metrics.registry.get_sample_value("cxr_http_requests_total", labels) == 1


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/docs", "/v1/static/page/words.js", "/v1/v1/models", "/v2/models"])
async def test_pages_have_one_name_and_there_is_one_version(client, path) -> None:
    assert (await client.get(path)).status_code == 404
