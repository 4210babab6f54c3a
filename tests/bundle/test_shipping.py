"""A new image brings its bundles into a volume that has been in use, and changes nothing there."""

import shutil
import subprocess
import sys

import pytest

from tests.requirements.locks import ROOT

pytestmark = pytest.mark.process

PROGRAM = (sys.executable, "-m", "bundle.shipping")


def write_bundle(models, name, version, content="as released"):
    folder = models / name / version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(content)
    (folder / "model.onnx").write_text(f"graph of {version}")


def content_of(models):
    """Every file below a folder, by its path."""
    return {str(path.relative_to(models)): path.read_text() for path in models.rglob("*") if path.is_file()}


@pytest.fixture
def image(tmp_path):
    """The bundles of a new image: the old one, and a newer one that it chooses."""
    models = tmp_path / "image"
    write_bundle(models, "chest", "1.0.0")
    write_bundle(models, "chest", "1.1.0")
    (models / "current").write_text("chest/1.1.0\n")
    return models


@pytest.fixture
def volume(tmp_path):
    models = tmp_path / "volume"
    models.mkdir()
    return models


def ship(source, destination):
    return subprocess.run(
        (*PROGRAM, source, destination), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_empty_volume_gets_everything(image, volume) -> None:
    done = ship(image, volume)

    assert done.returncode == 0, done.stderr
    assert content_of(volume) == content_of(image)


def test_a_used_volume_gets_the_new_bundle_and_keeps_what_it_serves(image, volume) -> None:
    write_bundle(volume, "chest", "1.0.0")
    write_bundle(volume, "trained", "20261101")
    (volume / "current").write_text("trained/20261101\n")
    before = content_of(volume)

    done = ship(image, volume)

    after = content_of(volume)
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {"chest/1.1.0/manifest.json", "chest/1.1.0/model.onnx"}
    assert "current names trained/20261101" in done.stdout
    assert "to serve chest/1.1.0, write its name into" in done.stdout


def test_a_bundle_that_is_there_is_never_replaced(image, volume) -> None:
    write_bundle(volume, "chest", "1.1.0", content="signed by the hospital")
    (volume / "current").write_text("chest/1.1.0\n")

    assert ship(image, volume).returncode == 0
    assert content_of(volume)["chest/1.1.0/manifest.json"] == "signed by the hospital"


def test_a_second_time_changes_nothing(image, volume) -> None:
    ship(image, volume)
    before = {path: path.stat().st_mtime_ns for path in volume.rglob("*")}

    assert ship(image, volume).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in volume.rglob("*")} == before


def test_what_a_killed_copy_left_is_no_bundle_and_goes(image, volume) -> None:
    (volume / ".unfinished-bundle").mkdir()
    (volume / ".unfinished-bundle/manifest.json").write_text("half")
    (volume / ".unfinished-bundle/model.onnx").write_text("half")

    assert not list(volume.glob("*/*/manifest.json"))
    assert ship(image, volume).returncode == 0
    assert content_of(volume) == content_of(image)


def test_two_at_once_bring_each_bundle_once(image, volume) -> None:
    started = [
        subprocess.Popen((*PROGRAM, image, volume), cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    printed = "".join(process.communicate(timeout=60)[0] for process in started)

    assert [process.returncode for process in started] == [0] * 4
    assert printed.count("copied chest/1.1.0") == 1
    assert content_of(volume) == content_of(image)


def test_a_volume_that_cannot_be_written_is_named(image, tmp_path) -> None:
    done = ship(image, tmp_path / "nowhere")

    assert done.returncode == 1
    assert "bundles could not be copied into" in done.stderr
    assert "nowhere" in done.stderr


def test_the_bundle_that_ships_is_brought_and_chosen(volume) -> None:
    assert ship(ROOT / "models", volume).returncode == 0

    current = (ROOT / "models/current").read_text()
    assert (volume / "current").read_text() == current
    comparison = shutil.which("diff"), "-r", ROOT / "models" / current.strip(), volume / current.strip()
    assert subprocess.run(comparison, check=False).returncode == 0
