"""The command line: options become a config, and a mistake is one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trainer.__main__ import main
from trainer.folder import TrialFolder
from trainer.trials.record import read_trial

ROOT = Path(__file__).parents[2]
QUICK = [
    "--size",
    "32",
    "--epochs",
    "1",
    "--batch-size",
    "8",
    "--set",
    "data.val_fraction=0.3",
    "--set",
    "learn.device=cpu",
]


def _run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.mark.slow
def test_the_command_trains_and_prints_a_table(monkeypatch, capsys, kermany_like, tmp_path) -> None:
    options = ["--data", str(kermany_like), "--arch", "cnn_baseline", "--seed", "1", "--seed", "2", *QUICK]
    status = _run(monkeypatch, "train", *options, "--set", f"data.cache={tmp_path}", "--out", str(tmp_path / "run"))
    printed = capsys.readouterr().out

    assert status == 0
    epochs = re.findall(r"^ +1  loss .* AUROC [01]\.\d{4}\*  \d+ s  \d+ films/s$", printed, re.MULTILINE)
    assert len(epochs) == 2
    assert printed.startswith("patients are known by names like those of Kermany (96 films)\n")
    assert "\ncnn_baseline-seed1\n" in printed
    assert printed.splitlines()[-1] == f"report: {tmp_path / 'run' / 'report.html'}"
    assert not {"\x1b", "\r"} & set(printed), "a file gets lines, no bars"
    assert "cnn_baseline-seed1" in printed
    assert "cnn_baseline-seed2" in printed
    assert "AUROC test" in printed
    record = read_trial(TrialFolder(tmp_path / "run" / "trials" / "cnn_baseline-seed1"))
    assert record.test is not None
    assert str(record.test.auroc) in printed.replace("\n", "")
    assert record.provenance.command.startswith(f"python -m trainer train --data {kermany_like} --arch cnn_baseline")


def test_a_file_of_options_is_read_and_the_command_line_wins(monkeypatch, kermany_like, tmp_path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        yaml.safe_dump(
            {"data": {"path": str(kermany_like)}, "networks.archs": ["cnn4"], "learn": {"lr": 0.5, "epochs": 7}}
        )
    )
    options = ["--config", str(file), "--arch", "cnn_baseline", *QUICK, "--set", f"data.cache={tmp_path}"]

    assert _run(monkeypatch, "train", *options, "--out", str(tmp_path / "run"), "--set", "report.explain=0") == 0

    frozen = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (frozen["networks"]["archs"], frozen["learn"]["lr"], frozen["learn"]["epochs"]) == (["cnn_baseline"], 0.5, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arch", "resnet5000"], "no architecture is called 'resnet5000'"),
        (["--arch", "cnn_baseline", "--lr", "-1"], "learn.lr: Input should be greater than 0"),
        (["--arch", "cnn_baseline", "--set", "lr"], "--set lr is not FIELD=VALUE"),
        (["--arch", "cnn_baseline", "--set", "lr=1"], "lr: Extra inputs are not permitted"),
        (["--arch", "cnn_baseline", "--search-trials", "5"], "search.method: Field required"),
        (["--arch", "cnn_baseline", "--set", "learn.lr=["], "--set learn.lr=[: the value is not YAML"),
        (["--arch", "cnn_baseline", "--weights", "absent.safetensors"], "absent.safetensors cannot be read"),
        (["--arch", "mobilenet", "--arch", "cnn4", "--weights", "x.pth"], "name it: --weights NAME=x.pth"),
        ([], "networks.archs: Field required"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(  # noqa: PLR0917 - fixtures
    monkeypatch, capsys, kermany_like, tmp_path, arguments, message
) -> None:
    options = ["--data", str(kermany_like), *arguments, *QUICK, "--set", f"data.cache={tmp_path}"]

    status = _run(monkeypatch, "train", *options, "--out", str(tmp_path / "run"))
    complaint = capsys.readouterr().err

    assert status == 2
    assert message in complaint
    assert "Traceback" not in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("command", ["train", "data", "report"])
def test_an_argument_that_is_not_utf8_is_one_line(monkeypatch, capsys, tmp_path, command) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")

    assert _run(monkeypatch, command, "--out", name) == 2
    assert "caf\\xe9 is not UTF-8" in capsys.readouterr().err.replace("\n", "")


def test_weights_are_given_for_one_architecture_or_all(monkeypatch, kermany_like, tmp_path) -> None:
    options = [
        "--data",
        str(kermany_like),
        "--arch",
        "cnn_baseline",
        "--weights",
        "cnn_baseline=none",
        *QUICK,
        "--set",
        "report.explain=0",
    ]

    assert _run(monkeypatch, "train", *options, "--set", f"data.cache={tmp_path}", "--out", str(tmp_path / "run")) == 0

    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["networks"]["weights"] == {
        "cnn_baseline": "none"
    }


@pytest.mark.process
def test_a_folder_without_films_is_one_line_of_the_program_itself(tmp_path) -> None:
    command = [sys.executable, "-m", "trainer", "train", "--data", str(tmp_path / "absent"), "--arch", "cnn_baseline"]
    ended = subprocess.run(
        [*command, "--out", str(tmp_path / "run")],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "is not a folder" in ended.stderr
    assert ended.stderr.count("\n") == 1
