"""The Makefile's values reach the commands as they were given, and a target that lacks one says so."""

import re
import shutil
import subprocess

import pytest

from tests.requirements.locks import ROOT

pytestmark = pytest.mark.process

FILMS = ["Chest X-Ray Images (Pneumonia)", "it's here; $(echo no)", 'a "quoted" & `odd` *', "plain"]


def make(folder, *arguments):
    return subprocess.run(("make", *arguments), cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def house(tmp_path):
    """The Makefile in a folder with a blank, beside an environment whose Python prints its arguments, one a line."""
    root = tmp_path / "a house (new)"
    (root / "requirements").mkdir(parents=True)
    (root / ".venv-dev/bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", root)
    (root / "requirements/dev.txt").touch()
    python = root / ".venv-dev/bin/python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    (root / ".venv-dev/ready").touch()
    return root


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("target", ["train", "release-check"])
def test_a_folder_of_any_name_reaches_the_program(house, target, name) -> None:
    done = make(house, "--silent", target, f"DATA={name.replace('$', '$$')}")

    assert done.returncode == 0, done.stderr
    assert name in done.stdout.splitlines()


@pytest.mark.parametrize("variable", ["RUN", "NAME", "VERSION"])
def test_an_export_takes_its_values_as_they_are(house, variable) -> None:
    assert "a (b) 'c'" in make(house, "--silent", "export", f"{variable}=a (b) 'c'").stdout.splitlines()


def test_a_release_check_names_the_bundle_the_split_and_the_masks_where_they_are_given(house) -> None:
    given = ("DATA=films", "MODEL=chest/3.0.0", "SPLIT=a split.csv", "MASKS=it's masks")
    said = make(house, "--silent", "release-check", *given).stdout.splitlines()
    plain = make(house, "--silent", "release-check", "DATA=films").stdout.splitlines()

    assert said[2:] == [
        "--data",
        "films",
        "--model",
        "chest/3.0.0",
        "--split",
        "a split.csv",
        "--lung-masks",
        "it's masks",
    ]
    assert plain[2:] == ["--data", "films"]


@pytest.mark.parametrize("target", ["train", "release-check"])
def test_a_target_without_films_says_how_it_is_used_before_anything_is_installed(house, target) -> None:
    (house / ".venv-dev/ready").unlink()

    done = make(house, "--silent", target)

    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"DATA names no films. Usage: make {target} DATA='path/to/films'"
    assert "requirements/install.sh" not in done.stdout + done.stderr


def test_no_variable_names_a_folder_outside_of_the_repository() -> None:
    assert not re.findall(r"^\w+ .*= .*\.\./", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_file_that_make_needs_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files", "requirements"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "requirements/install.sh" in listed.stdout.split()
