"""What is done before the first request, so that it waits for nothing."""

import fastapi.routing
import pytest

from tests.service.conftest import flat_film

pytestmark = pytest.mark.anyio


async def test_the_first_film_finds_its_route_put_together(serve, monkeypatch) -> None:
    async with serve() as client:
        monkeypatch.setattr(fastapi.routing, "get_dependant", None)  # FastAPI calls it for each route that it builds

        answer = await client.post(
            "/predict", content=flat_film(200), headers={"Content-Type": "application/octet-stream"}
        )

    assert answer.status_code == 200
