"""Rules that only real films can show."""

import io

import pytest
from PIL import Image, ImageOps

pytestmark = [pytest.mark.anyio, pytest.mark.real_data]


async def test_every_original_film_is_explained_at_its_own_aspect(client, real_films) -> None:
    paths = sorted((real_films / "originals").rglob("*.jpeg"))

    assert len(paths) == 24
    for path in paths:
        response = await client.post("/explain", content=path.read_bytes(), headers={"Accept": "image/png"})
        film = ImageOps.exif_transpose(Image.open(path))
        overlay = Image.open(io.BytesIO(response.content))
        assert overlay.width / overlay.height == pytest.approx(film.width / film.height, rel=0.02)


@pytest.mark.process
async def test_no_file_of_another_kind_is_an_error_of_ours(client, real_films) -> None:
    paths = [path for path in sorted((real_films / "ood").rglob("*")) if path.is_file()]
    parts = [("files", ("film", path.read_bytes())) for path in paths[:32]]

    results = (await client.post("/predict/batch", files=parts)).json()["results"]

    statuses = [result["problem"]["status"] for result in results if "problem" in result]
    assert len(results) == len(parts)
    assert {status // 100 for status in statuses} <= {4}
