"""No patient data but in the answer that needs it: markers go in everywhere, and come out nowhere."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from imaging.phantom import phantom
from tests.imaging.files import dicom_bytes, dicom_dataset, pillow
from tests.service.dicomweb.films import film, film_dataset, stow
from tests.service.server import Server
from tests.waiting import wait_until

PIXELS = phantom(64, 48, seed=2)
PNG = {"Content-Type": "image/png"}
TEXT_TAGS = ("PatientName", "PatientID", "StudyDescription", "InstitutionName", "AccessionNumber", "Manufacturer")
FORMAT_TAGS = (
    "Modality",
    "PhotometricInterpretation",
    "BodyPartExamined",
    "ViewPosition",
    "PatientAge",
    "PatientBirthDate",
    "StudyDate",
    "PatientSex",
    "PatientOrientation",
    "SpecificCharacterSet",
)


def exif(marker):
    tags = Image.Exif()
    tags[0x010E] = tags[0x9286] = marker
    return pillow(Image.fromarray(PIXELS), "JPEG", exif=tags)


def png_text(marker):
    text = PngImagePlugin.PngInfo()
    text.add_text(marker, marker, zip=True)
    return pillow(Image.fromarray(PIXELS), "PNG", pnginfo=text)


def tagged(marker, tags, **more):
    return dicom_bytes(dicom_dataset(PIXELS, **dict.fromkeys(tags, marker), **more))


def uids(marker):
    return dicom_bytes(film_dataset("film")).replace(b"1.2.826.0.1", marker[:11].encode())


def one_tag(tag, marker):
    return "/predict", {"content": tagged(marker, (tag,))}


CHANNELS: dict[str, Callable[[str], tuple[str, Any]]] = {
    "file name": lambda m: ("/predict", {"files": {"file": (f"{m}.png", png_text("x"), "image/png")}}),
    "file name of a broken film": lambda m: ("/predict", {"files": {"file": (f"{m}.png", b"rubbish", "image/png")}}),
    "file names of a batch": lambda m: (
        "/predict/batch",
        {"files": [("files", (f"{m}/{n}", png_text(m), m)) for n in "ab"]},
    ),
    "name of a part": lambda m: ("/predict", {"files": {m: ("a.png", png_text("x"), "image/png")}}),
    "media type": lambda m: ("/predict", {"files": {"file": ("a.png", png_text("x"), f"image/{m}")}}),
    "form field": lambda m: (
        "/predict",
        {"data": {"patient": m, m: "x"}, "files": {"file": ("a", exif("x"), "image/jpeg")}},
    ),
    "EXIF": lambda m: ("/predict", {"content": exif(m)}),
    "EXIF of an explained film": lambda m: ("/explain", {"content": exif(m)}),
    "EXIF of a cut film": lambda m: (
        "/predict",
        {"content": exif(m)[:-300], "headers": {"Content-Type": "image/jpeg"}},
    ),
    "text of a PNG": lambda m: ("/explain", {"content": png_text(m), "headers": PNG}),
    "tags": lambda m: ("/predict", {"content": tagged(m, TEXT_TAGS)}),
    **{f"tag {tag}": partial(one_tag, tag) for tag in FORMAT_TAGS},
    "tags of a cut film": lambda m: ("/predict", {"content": tagged(m, TEXT_TAGS)[:-2000]}),
    "tags of a stored film": lambda m: ("/dicomweb/studies", stow(film("a", PatientName=m, PatientID=m, StudyID=m))),
    "identity of a stored film": lambda m: ("/dicomweb/studies", stow(uids(m))),
    "headers": lambda m: (
        "/predict",
        {"content": exif("x"), "headers": {"User-Agent": m, "Referer": m, "X-Patient": m}},
    ),
    "X-Request-ID with more than an id": lambda m: (
        "/predict",
        {"content": exif("x"), "headers": {"X-Request-ID": f"Doe {m}"}},
    ),
    "age and view in the address": lambda m: (f"/predict?age={m}", {"content": exif("x"), "headers": {"X-View": m}}),
    "age and view in headers": lambda m: ("/predict", {"content": exif("x"), "headers": {"X-Age": m, "X-View": m}}),
    "X-Deadline-Ms": lambda m: ("/predict", {"content": exif("x"), "headers": {"X-Deadline-Ms": m}}),
    "Accept": lambda m: ("/explain", {"content": exif("x"), "headers": {"Accept": f"image/{m}"}}),
    "key": lambda m: ("/predict", {"content": exif("x"), "headers": {"X-API-Key": m}}),
    "token": lambda m: ("/predict", {"content": exif("x"), "headers": {"Authorization": f"Bearer {m}"}}),
    "cookie": lambda m: ("/predict", {"content": exif("x"), "headers": {"Cookie": f"a={m}"}}),
    "finding": lambda m: (f"/explain?finding={m}", {"content": exif("x")}),
    "query": lambda m: (f"/predict?patient={m}&priority={m}", {"content": exif("x")}),
    "address": lambda m: (f"/predict/{m}", {"content": exif("x")}),
    "result": lambda m: (f"/results/{m}/retry", {}),
    "model": lambda m: (f"/models/{m}/{m}/activate", {}),
}


@pytest.fixture
def server(tiny_models, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    running = Server(
        tiny_models,
        audit_file=tmp_path / "audit.jsonl",
        audit_sync="false",
        dicomweb="true",
        spool_url=f"sqlite:///{tmp_path}/spool/spool.db",
    )
    yield running
    running.end()


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom does not like some of the markers where it writes them
def test_a_marker_comes_back_in_no_answer_log_metric_audit_record_or_temporary_file(server, tmp_path) -> None:
    planted = set()

    @settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(marker=st.text("QXZJKVW", min_size=12, max_size=12))
    def plant(marker) -> None:
        planted.add(marker)
        for channel, request in CHANNELS.items():
            address, body = request(marker)
            response = server.client.post(address, **body)

            assert marker not in response.text, channel
            assert marker not in str(response.headers), channel

    plant()
    wait_until(lambda: '"received"' not in server.client.get("/results").text, "the stored films are analysed")
    seen = {
        "metrics": server.client.get("/metrics").text,
        "results": server.client.get("/results").text,
        "audit": (tmp_path / "audit.jsonl").read_text(),
        "temporary files": "".join(
            f"{path} {path.read_bytes().decode('latin-1') if path.is_file() else ''}"
            for path in Path(tmp_path, "temporary").rglob("*")
        ),
    }
    server.terminate()
    seen["log"] = "".join(server.lines)

    assert len(planted) == 5
    assert seen["audit"].count('"event":"film"') > 60
    assert seen["log"].count("request_finished") > 100
    for place, content in seen.items():
        assert not re.findall("|".join(planted), content), place
