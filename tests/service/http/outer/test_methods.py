"""Rules of what an address says about its methods."""

import pytest

pytestmark = pytest.mark.anyio

ALLOWED = [
    ("/predict", "OPTIONS, POST"),
    ("/v1/predict", "OPTIONS, POST"),
    ("/results", "GET, HEAD, OPTIONS"),
    ("/metrics", "GET, HEAD, OPTIONS"),
    ("/openapi.json", "GET, HEAD, OPTIONS"),
    ("/static/page/words.js", "GET, HEAD, OPTIONS"),
    ("/models/tiny/rollback", "GET, HEAD, OPTIONS, POST"),  # the card of a version of that name, and an action
]


@pytest.mark.parametrize(("path", "allowed"), ALLOWED)
async def test_options_names_the_methods_of_an_address(client, path, allowed) -> None:
    answer = await client.options(path)

    assert (answer.status_code, answer.content, answer.headers["Allow"]) == (204, b"", allowed)
    assert "X-Request-ID" in answer.headers


@pytest.mark.parametrize(("path", "allowed"), ALLOWED)
async def test_a_method_that_an_address_lacks_is_refused_with_those_it_has(client, path, allowed) -> None:
    answer = await client.delete(path)

    assert (answer.status_code, answer.json()["code"], answer.headers["Allow"]) == (405, "method_not_allowed", allowed)


async def test_options_of_no_address_are_not_found_and_of_a_route_are_counted_under_it(client) -> None:
    await client.options("/models/tiny/1.0.0")
    labels = {"route": "/models/{name}/{version}", "method": "OPTIONS", "status": "204"}

    assert (await client.options("/nowhere")).status_code == 404
    assert client.services.metrics.registry.get_sample_value("cxr_http_requests_total", labels) == 1
