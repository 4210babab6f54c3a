"""Rules of `python -m service tune`: measured with the tiny bundle, written whole, and used by the service."""

import json
from types import SimpleNamespace

import pytest

from bundle.machine import this_machine
from bundle.opening import open_bundle
from schemas.tuning import TuningProfile
from service.commands.tuning.session import Tuning, busy_cores
from service.commands.tuning.tune import tune_command
from tests.service.bundles import write_tiny_bundle


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """The command on a folder with one bundle."""
    write_tiny_bundle(tmp_path / "models")
    (tmp_path / "tuning").mkdir()
    monkeypatch.setenv("CXR_MODELS_DIR", str(tmp_path / "models"))

    def run(*options):
        status = tune_command(["--out", str(tmp_path / "tuning"), *options])
        return SimpleNamespace(status=status, profiles=list((tmp_path / "tuning").iterdir()))

    return run


def test_a_profile_is_written_for_this_bundle_and_this_machine(tmp_path, capsys, tuned) -> None:
    result = tuned("--seconds", "1", "--rounds", "1", "--no-processes", "--json")
    (path,) = result.profiles
    profile = TuningProfile.model_validate_json(path.read_bytes())
    printed = capsys.readouterr()

    bundle = open_bundle(tmp_path / "models/tiny/1.0.0")
    assert result.status == 0
    assert (profile.bundle, profile.bundle_sha256) == ("tiny/1.0.0", bundle.sha256)
    assert profile.machine == this_machine()
    assert profile.chosen in [each.choice for each in profile.figures]
    assert profile.processes == ()
    assert profile.figures[0].films_per_s == max(each.films_per_s for each in profile.figures)
    assert profile.seconds < 30
    assert json.loads(printed.out) == json.loads(path.read_bytes())
    assert "one process: 1 of" in printed.err


def test_precisions_that_no_graph_is_kept_of_are_not_measured(tmp_path) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path))
    profile = Tuning(bundle, rounds=1, seconds=1, with_processes=False).measure(lambda _: None)

    assert {each.choice.precision for each in profile.figures} == {"fp32"}


@pytest.mark.parametrize(
    ("options", "rule"),
    [(("--seconds", "0.5"), "at least 1"), (("--rounds", "0"), "at least 1"), (("--bundle", "other"), "other")],
)
def test_what_cannot_be_measured_is_refused(capsys, tuned, options, rule) -> None:
    result = tuned(*options)

    assert (result.status, result.profiles) == (2, [])
    assert rule in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_refused(capsys, tmp_path) -> None:
    assert tune_command(["--out", str(tmp_path / "nowhere")]) == 2
    assert "CXR_TUNING_DIR" in capsys.readouterr().err


def test_cores_that_others_use_are_within_the_machine() -> None:
    assert 0 <= busy_cores(0.05) <= 4 * this_machine().cores
