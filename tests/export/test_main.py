"""The command line: one command from a run to a served bundle, one line for a failure."""

import shutil
import sys
from pathlib import Path

import pytest

from bundle.opening import open_bundle
from export.__main__ import main
from trainer.config import make_config
from trainer.folder import RunFolder, TrialFolder
from trainer.runs.run import train
from trainer.trials.record import read_trial

ANYBODY = ("--anybody",)


@pytest.fixture(scope="session")
def run(kermany_like, tmp_path_factory) -> Path:
    """A run of one `cnn_baseline`, trained for one epoch on synthetic films."""
    folder = tmp_path_factory.mktemp("runs") / "r1"
    options = {
        "data.path": str(kermany_like),
        "networks.archs": ("cnn_baseline",),
        "networks.size": 32,
        "learn.epochs": 1,
        "learn.batch_size": 8,
    }
    config = make_config({**options, "data.cache": str(folder.parent / "cache"), "learn.device": "cpu"})
    train(config, RunFolder(folder), command="python -m trainer train")
    return folder


@pytest.fixture
def export(monkeypatch, capsys):
    """Run the program with arguments: its exit code, output and errors, each without line breaks."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_program(*arguments):
        monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, errors = capsys.readouterr()
        return ended.value.code, out, errors

    return run_program


def test_a_trained_trial_becomes_the_current_bundle_in_one_command(run, export, tmp_path) -> None:
    trial = run / "trials" / "cnn_baseline-seed0"
    out = tmp_path / "models"

    code, printed, errors = export(
        *("bundle", "--trial", trial, "--name", "chest", "--version", "1.0.0", "--out", out, "--make-current"),
        *("--population", "child", "--ages", "1..6"),
    )
    opened = open_bundle(out / "chest" / "1.0.0")

    assert (code, errors) == (0, "")
    assert (out / "current").read_text() == "chest/1.0.0\n"
    assert opened.manifest.calibration == read_trial(TrialFolder(trial)).calibration
    assert opened.manifest.architecture == "cnn_baseline"
    assert all(f"batch {size}" in printed for size in (1, 2, 7, 32))
    assert "gradcam_plus_plus" in printed
    assert opened.sha256 in printed
    assert " MB" in printed
    assert str(opened.manifest.population) == "child, from 1 and below 6 years"
    assert "Intended population: child, from 1 and below 6 years; frontal films of the chest" in (
        (out / "chest" / "1.0.0" / "MODEL_CARD.md").read_text().replace("\n", " ")
    )


def test_a_bundle_without_an_intended_population_is_not_exported_and_the_remedy_is_named(run, export, tmp_path) -> None:
    code, _, errors = export("bundle", "--run", run, "--name", "chest", "--version", "1", "--out", tmp_path / "out")

    assert code == 2
    assert "states its intended population, and this one would state neither a name nor ages of it" in errors
    assert "--population NAME --ages FROM..BELOW" in errors
    assert "--anybody" in errors
    assert not (tmp_path / "out").exists()


def test_the_winner_of_a_run_is_found_and_its_bundle_verifies(run, export, tmp_path) -> None:
    about = tmp_path / "films.md"
    about.write_text("# Our films\n\nOf one ward.\n")
    made, _, _ = export(
        "bundle", "--run", run, "--name", "chest", "--version", "1", "--out", tmp_path, "--about", about, *ANYBODY
    )
    checked, printed, _ = export("verify", tmp_path / "chest" / "1")

    assert (made, checked) == (0, 0)
    assert open_bundle(tmp_path / "chest" / "1").manifest.about_films == "Of one ward."
    assert "hashes right, golden films within" in printed
    assert not (tmp_path / "current").exists()


def test_weights_of_a_network_that_timm_alone_does_not_build_are_refused_before_anything_is_written(
    run, export, tmp_path
) -> None:
    code, _, errors = export(
        "bundle",
        "--run",
        run,
        "--name",
        "chest",
        "--version",
        "1",
        "--out",
        tmp_path / "out",
        "--with-weights",
        *ANYBODY,
    )

    assert code == 2
    assert errors.startswith("export: cnn_baseline is not built by timm alone")
    assert not (tmp_path / "out").exists()


def test_a_network_that_knows_lungs_alone_is_not_exported(run, export, tmp_path) -> None:
    lungs = Path(shutil.copytree(run, tmp_path / "lungs"))
    config = RunFolder(lungs).config
    config.write_text(config.read_text().replace("masks: ignore", "masks: lungs"))

    code, _, errors = export("bundle", "--run", lungs, "--name", "chest", "--version", "1", "--out", tmp_path / "out")

    assert code == 2
    assert errors.startswith("export: cnn_baseline-seed0 was trained with data.masks=lungs")
    assert not (tmp_path / "out").exists()


def test_a_failure_is_one_line_and_exit_code_2(bundle, models, export, tmp_path) -> None:
    altered = tmp_path / "altered"
    altered.mkdir()
    for path in bundle.iterdir():
        (altered / path.name).write_bytes(path.read_bytes())
    (altered / "MODEL_CARD.md").write_text("all is well")

    code, printed, errors = export("verify", altered)

    assert (code, printed) == (2, "")
    assert errors.startswith("export: ")
    assert errors.count("\n") == 1
    assert "MODEL_CARD.md" in errors


def test_a_trial_that_is_not_there_is_a_failure_with_a_remedy(export, tmp_path) -> None:
    code, _, errors = export("bundle", "--trial", tmp_path, "--name", "chest", "--version", "1", "--out", tmp_path)

    assert code == 2
    assert "run the training again" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("options", [(), ("--trial", "a", "--run", "b")])
def test_either_a_trial_or_a_run_is_named(export, options) -> None:
    code, _, errors = export("bundle", "--name", "chest", "--version", "1", *options)

    assert code == 2
    assert "either --trial or --run" in errors
