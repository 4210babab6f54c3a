"""Rules of reading films out of bodies, through the app."""

import gzip

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


def form(head, *, before=b"", boundary_end=b"\r\n"):
    return before + b"--b" + boundary_end + head + b"\r\n\r\n" + FILM + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    "body",
    [
        form(b'Content-Disposition: form-data; name="file"'),
        form(b'Content-Disposition: form-data; name="file"\r\nContent-Type: image/png'),
        form(b"Content-Disposition: form-data; name=file; filename*=UTF-8''r%C3%B6ntgen.png"),
        form(b"Content-Disposition: form-data; name=file; filename*=windows-1252''r%F6ntgen.png"),
        form(b'Content-Disposition: form-data;\r\n name="file";\r\n\tfilename="x"'),
        form(b'CONTENT-DISPOSITION:form-data;name="file";filename="x;y\\".png"'),
        form(b'Content-Disposition: form-data; name="file"; filename="x"', before=b"This is MIME.\r\n"),
        form(b'Content-Disposition: form-data; name="file"; filename="x"', boundary_end=b"  \t\r\n"),
        b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nkeep\r\n'
        + form(b"Content-Disposition: form-data; name=file"),
    ],
)
async def test_a_form_is_read_as_the_standard_lets_it_be_written(client, body) -> None:
    answer = await client.post("/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})

    assert (answer.status_code, answer.json().get("detail")) == (200, None)


@pytest.mark.parametrize(
    "head",
    [b"Content-Type: image/png", b"Content-Disposition: form-data", b"Content-Disposition: form-data; name=film"],
)
async def test_a_part_that_is_not_named_as_a_film_is_not_one(client, head) -> None:
    answer = await client.post(
        "/predict", content=form(head), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_more_parts_than_a_browser_sends_are_refused(client) -> None:
    note = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n'
    answer = await client.post(
        "/predict",
        content=note * 101 + form(b'Content-Disposition: form-data; name="file"'),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )

    assert (answer.status_code, "over 100 parts" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br, gzip", "deflate"])
async def test_a_compressed_body_is_refused_by_the_name_of_the_header(client, encoding) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": encoding}
    refused = await client.post("/predict", content=gzip.compress(FILM), headers=headers)
    plain = await client.post("/predict", content=FILM, headers=headers | {"Content-Encoding": "identity"})

    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_encoding")
    assert "Content-Encoding" in refused.json()["detail"]
    assert refused.headers["Accept-Encoding"] == "identity"
    assert plain.status_code == 200


async def test_a_compressing_transfer_encoding_is_refused_by_the_name_of_the_header(client) -> None:
    refused = await client.post("/predict", content=FILM, headers={"Transfer-Encoding": "gzip, chunked"})

    assert (refused.status_code, "Transfer-Encoding" in refused.json()["detail"]) == (415, True)


async def test_a_compressed_part_is_refused_by_the_name_of_the_header(client) -> None:
    body = form(b'Content-Disposition: form-data; name="file"\r\nContent-Encoding: gzip')
    refused = await client.post("/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})

    assert (refused.status_code, "Content-Encoding" in refused.json()["detail"]) == (415, True)
