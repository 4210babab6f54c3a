"""requirements/install.sh takes the newest suitable Python, says what is missing, and repeats a killed installation."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.requirements.locks import ROOT

pytestmark = pytest.mark.process

FAKE = """#!/bin/sh
case "$1 $2" in
"-c "*) {answer} ;;
"--version "*) echo "Python 3.{minor}.0" ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
"""


@pytest.fixture
def house(tmp_path):
    """A repository with an environment of no packages, in a folder with a blank; Pythons are put into its `bin`."""
    root = tmp_path / "a house (new)"
    (root / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "requirements/install.sh", root / "requirements/install.sh")
    (root / "requirements/none.txt").write_text("")
    (root / "bin").mkdir()
    for tool in ("bash", "dirname", "uname", "grep", "rm", "touch", "cat", "awk", "sed", "mkdir", "cp"):
        (root / "bin" / tool).symlink_to(shutil.which(tool))
    return root


def install_python(root, name, minor, answer=None):
    """A program that says that it is Python 3.`minor`, and makes environments with nothing in them."""
    program = root / "bin" / name
    program.write_text(FAKE.format(answer=answer or f"echo {minor}", minor=minor))
    program.chmod(0o755)


def install(root, environment="none", **variables):
    return subprocess.run(
        (root / "requirements/install.sh", environment),
        env={"PATH": str(root / "bin"), "HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_newest_python_is_taken_whatever_its_name(house) -> None:
    install_python(house, "python3.11", 11)
    install_python(house, "python3", 13)
    install_python(house, "python3.12", 12)

    done = install(house)

    assert done.returncode == 0, done.stderr
    assert "with Python 3.13.0" in done.stdout
    assert (house / ".venv-none/bin/python").exists()
    assert (house / ".venv-none/ready").exists()


def test_a_python_that_cannot_make_environments_and_the_shim_of_a_missing_one_are_passed_over(house) -> None:
    install_python(house, "python3.14", 14, answer="exit 127")
    install_python(house, "python3.12", 12, answer="exit 1")
    install_python(house, "python3.11", 11)

    assert "with Python 3.11.0" in install(house).stdout


def test_where_there_is_no_python_one_message_says_what_to_install(house) -> None:
    install_python(house, "python3", 10, answer="exit 1")

    done = install(house)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no Python from 3.11 to 3.14" in done.stderr
    assert "apt install python3 python3-venv" in done.stderr
    assert not (house / ".venv-none").exists()


def test_a_named_python_is_taken_even_if_a_newer_one_is_there(house) -> None:
    install_python(house, "python3.14", 14)
    install_python(house, "python3.11", 11)

    assert "with Python 3.11.0" in install(house, PYTHON="python3.11").stdout


def test_a_named_python_that_does_not_suit_is_refused(house) -> None:
    install_python(house, "python3.9", 9, answer="exit 1")

    done = install(house, PYTHON="python3.9")

    assert done.returncode == 1
    assert done.stderr.startswith("PYTHON=python3.9 is not a CPython from 3.11 to 3.14")


def test_the_python_of_these_tests_makes_an_environment(house) -> None:
    done = install(house, PYTHON=sys.executable)

    assert done.returncode == 0, done.stderr
    assert (house / ".venv-none/bin/pip").exists()


def test_what_a_killed_installation_left_is_removed(house) -> None:
    install_python(house, "python3.12", 12)
    left = house / ".venv-none/half"
    left.mkdir(parents=True)

    assert install(house).returncode == 0
    assert not left.exists()


def test_an_installation_that_fails_shows_why_and_is_not_ready(house) -> None:
    (house / "requirements/none.txt").write_text("nothing==1\n")

    done = install(house, PYTHON=sys.executable, PIP_NO_INDEX="1")

    assert done.returncode == 1
    assert "nothing==1" in done.stderr
    assert "the next make starts it again" in done.stderr
    assert not (house / ".venv-none/ready").exists()


def test_an_environment_that_does_not_exist_is_refused_with_those_that_do(house) -> None:
    install_python(house, "python3.12", 12)

    assert "the environments are: none" in install(house, "other").stderr


@pytest.mark.parametrize(
    ("environment", "system", "machine", "message"),
    [("cpu", "Darwin", "x86_64", "Intel"), ("gpu", "Darwin", "arm64", "serves on the CPU")],
)
def test_a_machine_without_wheels_is_told_what_to_do_instead(house, environment, system, machine, message) -> None:
    (house / "bin/uname").unlink()
    (house / "bin/uname").write_text(f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {machine}\n')
    (house / "bin/uname").chmod(0o755)

    done = install(house, environment)

    assert done.returncode == 1
    assert message in done.stderr
