"""Requests that ask for much of the event loop, and what they are answered."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.imaging.files import dicom_bytes
from tests.service.conftest import flat_film
from tests.service.dicomweb.films import film_dataset, stow

FORM = "multipart/form-data; boundary=b"
_RELATED_HEADERS = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
FILM = flat_film(200)


@dataclass(frozen=True)
class Attack:
    """One request."""

    address: str
    statuses: tuple[int, ...]
    """That may answer it; a network with limits for headers answers 431 before all others."""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


def _form(head: bytes, *, count: int = 1, content: bytes = FILM) -> bytes:
    return (b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n") * count + b"--b--\r\n"


def _names_in(charset: str) -> Attack:
    """Python needs quadratic time for them in punycode: 4 to 20 s."""
    name = b"Content-Disposition: form-data; name=" + b"a" * 4000
    return Attack(
        "/predict", (400,), _form(name, count=999, content=b"x"), {"Content-Type": f"{FORM}; charset={charset}"}
    )


def _with_values(address: str, keyword: str, statuses: tuple[int, ...]) -> Attack:
    dataset = film_dataset()
    dataset.add_new(keyword, "UN", b"1\\" * 2_000_000)
    if address == "/predict":
        return Attack(address, statuses, dicom_bytes(dataset))
    request = stow(dicom_bytes(dataset))
    return Attack(address, statuses, request["content"], request["headers"])


ATTACKS: Mapping[str, Callable[[], Attack]] = {
    "999 names in punycode": lambda: _names_in("punycode"),
    "999 names in UTF-8": lambda: _names_in("utf-8"),
    "a Content-Type of 300 kB": lambda: Attack(
        "/dicomweb/studies", (400, 431), b"--b--", {"Content-Type": "multipart/related" + "; a=b" * 60_000}
    ),
    "a header of 25 MB": lambda: Attack("/livez", (200, 431), headers={"X-A": "a" * 25_000_000}, method="GET"),
    "8 MB of lines that begin like a boundary": lambda: Attack(
        "/predict", (400,), _form(b"A: b", content=b"\n--bx" * 1_600_000), {"Content-Type": FORM}
    ),
    "8 MB of empty parts": lambda: Attack("/predict", (400, 413), b"--b\r\n\r\n" * 1_000_000, {"Content-Type": FORM}),
    "8 MB of empty instances": lambda: Attack(
        "/dicomweb/studies", (413,), b"--b\r\n\r\n" * 1_000_000, _RELATED_HEADERS
    ),
    "8 MB of folded headers": lambda: Attack(
        "/predict", (400,), b"--b\r\nA: b\r\n" + b" c\r\n" * 2_000_000, {"Content-Type": FORM}
    ),
    "32 MB in base64": lambda: Attack(
        "/predict",
        (415,),
        _form(
            b"Content-Disposition: form-data; name=file\r\nContent-Type: image/png\r\n"
            b"Content-Transfer-Encoding: base64",
            content=base64.b64encode(bytes(24_000_000)),
        ),
        {"Content-Type": FORM},
    ),
    "60 MB in one part": lambda: Attack(
        "/predict",
        (415,),
        _form(b"Content-Disposition: form-data; name=file; filename=x", content=b"\r\n" * 30_000_000),
        {"Content-Type": FORM},
    ),
    "60 MB as they are": lambda: Attack("/predict", (415,), bytes(60_000_000), {"Content-Type": "image/png"}),
    "60 MB in one instance": lambda: Attack(
        "/dicomweb/studies",
        (409,),
        _form(b"Content-Type: application/dicom", content=bytes(60_000_000)),
        _RELATED_HEADERS,
    ),
    "2 million slopes": lambda: _with_values("/predict", "RescaleSlope", (422,)),
    "2 million names by STOW": lambda: _with_values("/dicomweb/studies", "PatientName", (409,)),
    "a version that is none": lambda: Attack(
        "/metrics", (200,), headers={"Accept": "application/openmetrics-text;version=a.b.c"}, method="GET"
    ),
    "60 kB of Accept": lambda: Attack(
        "/models/current", (200,), headers={"Accept": "a/b;q=1," * 7500 + "*/*"}, method="GET"
    ),
}
