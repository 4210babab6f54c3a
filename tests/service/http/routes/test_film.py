"""Rules of `POST /film` and of the sample."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from imaging.phantom import phantom
from tests.films import encode
from tests.imaging.compressed import compressed_film
from tests.service.conftest import flat_film
from tests.service.server import ROOT

pytestmark = pytest.mark.anyio

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def pixels(response):
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/x-portable-graymap")
    return np.asarray(Image.open(io.BytesIO(response.content)))


async def test_a_film_comes_back_as_it_was_decoded(client) -> None:
    film = phantom(80, 60, seed=1)
    raw = await client.post("/film", content=encode(film, ".png"), headers={"Content-Type": "image/png"})
    form = await client.post("/film", files={"file": ("x", encode(film, ".png"), "image/png")})

    assert (pixels(raw) == film).all()
    assert raw.content == form.content
    assert raw.headers["Cache-Control"] == "no-store"


@pytest.mark.process
async def test_a_compressed_dicom_film_comes_back_as_pixels(client) -> None:
    film = phantom(64, 48, seed=2)
    response = await client.post("/film", content=compressed_film(film, JPEG_LOSSLESS))

    assert pixels(response).shape == (64, 48)


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "image/png", 400),
        (b"rubbish", "image/png", 415),
        (flat_film(9), "image/jpeg", 415),
        (encode(phantom(300, 260, seed=1))[:900], "image/jpeg", 422),
    ],
)
async def test_a_film_that_cannot_be_decoded_is_a_problem(client, content, media_type, status) -> None:
    response = await client.post("/film", content=content, headers={"Content-Type": media_type})

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")


async def test_a_film_over_the_pixel_limit_is_refused_before_it_is_decoded(serve) -> None:
    async with serve(max_pixels=1000) as client:
        response = await client.post("/film", content=flat_film(9, rows=40, columns=32))

    assert (response.status_code, response.json()["code"]) == (413, "image_too_large")


async def test_no_film_is_decoded_while_the_service_drains(client) -> None:
    client.services.admission.drain()
    response = await client.post("/film", content=flat_film(9))

    assert (response.status_code, response.json()["code"]) == (503, "not_ready")


async def test_the_sample_is_named_by_the_capabilities_and_is_a_film(client) -> None:
    named = (await client.get("/capabilities")).json()["sample"]
    sample = await client.get(f"/{named}")
    read = await client.post("/predict", content=sample.content)

    assert sample.headers["Content-Type"] == "application/dicom"
    assert (read.status_code, read.json()["image"]["format"]) == (200, "dicom")


@pytest.mark.process
def test_without_the_package_of_films_there_is_no_sample() -> None:
    program = (
        "import importlib.metadata; importlib.metadata.entry_points = lambda **_: (); "
        "from service.http.routes.pages import sample_film; print(sample_film())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert printed == "None\n"
