"""The table of what a service answers to a folder of odd films, through the real server process."""

from pathlib import Path

import pytest

from benchmarks.cases import measure
from benchmarks.resilience.server import running
from imaging.phantom import phantom
from tests.films import encode
from tests.service.dicomweb.films import STUDY, film

MODELS = Path(__file__).parents[2] / "models"
ZERO_LED = f"{STUDY.removesuffix('.498.1')}.4.081\0".encode()


@pytest.mark.slow
def test_each_file_is_asked_at_both_doors_where_it_can_be(tmp_path) -> None:
    folder = tmp_path / "films"
    (folder / "deep").mkdir(parents=True)
    (folder / "README.md").write_text("not a film")
    (folder / "deep" / "odd.dcm").write_bytes(film("odd", WindowCenter=10, WindowWidth=0))
    (folder / "not_read.dcm").write_bytes(film("not_read", PixelData=b"\0\0"))
    (folder / "zero_led.dcm").write_bytes(film("zero_led").replace(f"{STUDY}\0".encode(), ZERO_LED))
    (folder / "picture.png").write_bytes(encode(phantom(300, 300, seed=1)))

    with running(models_dir=MODELS, dicomweb="true", spool_url=f"sqlite:///{tmp_path}/spool.db") as server:
        rows = {row.name: row for row in measure(server, folder)}

    assert set(rows) == {"deep/odd.dcm", "not_read.dcm", "zero_led.dcm", "picture.png"}
    assert "warnings: voi_unusable" in rows["deep/odd.dcm"].predict
    assert rows["deep/odd.dcm"].stow == "200 analysed"
    assert rows["not_read.dcm"].predict.startswith("422 invalid_image: PixelData has 2 bytes")
    assert rows["not_read.dcm"].stow.startswith("200 refused (invalid_image: PixelData has 2 bytes")
    assert rows["zero_led.dcm"].stow == (
        "200 analysed; Warning: uid_leading_zero: StudyInstanceUID has a component with a leading zero (PS3.5 9.1); "
        "stored and reported as it was sent"
    )
    assert rows["picture.png"].predict.startswith("200 ")
    assert rows["picture.png"].stow == "not DICOM"
