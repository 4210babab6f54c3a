"""Rules of reading films out of bodies, through the app."""

import pytest

from tests.service.conftest import flat_film

pytestmark = pytest.mark.anyio

FILM = flat_film(200)
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="film-!.png"\r\n\r\n' + FILM + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    "parameters",
    [
        "boundary=b; charset=undefined",
        "boundary=b; charset=punycode",
        'boundary=b; charset="\0"',
        "boundary=" + "b" * 257,
        "charset=utf-8",
    ],
)
async def test_a_declaration_that_cannot_be_followed_is_a_malformed_request(client, parameters) -> None:
    refused = await client.post(
        "/predict", content=PART, headers={"Content-Type": f"multipart/form-data; {parameters}"}
    )

    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "klingon"])
async def test_a_film_is_read_whatever_charset_its_names_are_said_to_have(client, charset) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}

    assert (await client.post("/predict", content=PART, headers=headers)).status_code == 200
