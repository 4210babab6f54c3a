"""`python -m service deidentify` as a person runs it."""

import subprocess
import sys

import pytest
from pydicom import dcmread

from imaging.phantom import phantom
from service.commands.deidentify import deidentify_command
from tests.imaging.files import dicom_bytes, dicom_dataset

SECRET = b"a secret of thirty-two bytes ..."


def write_film(path, number=1, **attributes) -> None:
    uids = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "SOPInstanceUID": f"1.2.3.4.{number}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dicom_bytes(dicom_dataset(phantom(12, 10, seed=number), **{**uids, **attributes})))


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    write_film(folder / "a.dcm", 1, BurnedInAnnotation="NO")
    write_film(folder / "ward" / "b", 2)
    write_film(folder / "ward" / "c.dcm", 3, PatientID="OTHER")
    return folder


@pytest.fixture
def key(tmp_path):
    (tmp_path / "key").write_bytes(SECRET)
    return str(tmp_path / "key")


def run(*arguments):
    return deidentify_command([str(argument) for argument in arguments])


def test_every_film_of_a_folder_is_copied_under_its_new_uid(films, key, tmp_path, capsys) -> None:
    assert run(films, "--out", tmp_path / "out", "--key", key) == 0

    copies = {path.stem: dcmread(path) for path in (tmp_path / "out").iterdir()}
    assert len(copies) == 3
    assert all(name == copy.SOPInstanceUID for name, copy in copies.items())
    assert len({copy.PatientID for copy in copies.values()}) == 2
    table = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert table == {
        "files": "3",
        "copied": "3",
        "copied, BurnedInAnnotation not stated": "2",
        "patients among the copies": "2",
    }


def test_the_same_key_writes_the_same_files_again(films, key, tmp_path) -> None:
    for name in ("one", "two"):
        run(films, "--out", tmp_path / name, "--key", key)

    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_without_a_key_it_is_said_that_runs_do_not_fit_together(films, tmp_path, capsys) -> None:
    for name in ("one", "two"):
        assert run(films, "--out", tmp_path / name) == 0

    one, two = ({path.name for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert not one & two
    assert "fit no other run," in capsys.readouterr().out


def test_a_file_that_cannot_be_copied_is_named_and_the_rest_is_copied(films, key, tmp_path, capsys) -> None:
    (films / "notes.txt").write_text("no film")
    write_film(films / "burned.dcm", 4, BurnedInAnnotation="YES")
    write_film(films / "again.dcm", 1)
    whole = (films / "a.dcm").read_bytes()
    (films / "cut.dcm").write_bytes(whole[: whole.index(b"MARKER-ID") + 4])

    assert run(films, "--out", tmp_path / "out", "--key", key) == 1

    said = capsys.readouterr()
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert f"{films / 'notes.txt'}: invalid_image: " in said.err
    assert f"{films / 'cut.dcm'}: not_a_radiograph: " in said.err
    assert f"{films / 'burned.dcm'}: burned_in_annotation: " in said.err
    assert "another file of this run has its SOPInstanceUID" in said.err
    assert "MARKER" not in said.err + said.out


def test_films_with_text_in_their_pixels_are_copied_on_demand(tmp_path, key) -> None:
    write_film(tmp_path / "films" / "a.dcm", BurnedInAnnotation="YES")

    assert run(tmp_path / "films", "--out", tmp_path / "out", "--key", key, "--accept-burned-in") == 0


@pytest.mark.parametrize("out", ["films", "films/copies"])
def test_copies_never_lie_among_originals(films, tmp_path, out, capsys) -> None:
    before = {path: path.read_bytes() for path in films.rglob("*") if path.is_file()}

    assert run(films, "--out", tmp_path / out) == 2

    assert "must not mix" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in films.rglob("*") if path.is_file()} == before


def test_a_secret_that_can_be_guessed_is_refused(films, tmp_path, capsys) -> None:
    (tmp_path / "short").write_bytes(b"1234")

    assert run(films, "--out", tmp_path / "out", "--key", tmp_path / "short") == 2
    assert "holds 4 bytes" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["missing", "--out", "out"], ["films", "--out", "out", "--key", "missing"]])
def test_what_is_not_there_is_refused_with_its_remedy(films, tmp_path, monkeypatch, wrong, capsys) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(*wrong) == 2
    assert "missing" in capsys.readouterr().err


@pytest.mark.process
def test_the_command_is_part_of_the_service(films, key, tmp_path) -> None:
    command = [sys.executable, "-m", "service", "deidentify", films, "--out", tmp_path / "out", "--key", key]

    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(list((tmp_path / "out").iterdir())) == 3
