"""The options of a sweep: which belong together, and what each makes."""

import sys

import pytest

from trainer.__main__ import main
from trainer.sweeps.command import executor_of
from trainer.sweeps.local import LocalExecutor
from trainer.sweeps.ray_cluster import RayExecutor
from trainer.sweeps.slurm import SlurmExecutor

PLACEMENT = {
    "on": "local",
    "address": None,
    "jobs": None,
    "cpus": 1,
    "gpus": 0.0,
    "retries": 3,
    "storage": None,
    "submit": False,
    "sbatch": None,
}


@pytest.mark.parametrize(
    ("options", "executor"),
    [
        ({"on": "local"}, LocalExecutor(1, 3)),
        ({"on": "local", "jobs": 4, "retries": 0}, LocalExecutor(4, 0)),
        ({"on": "ray", "address": "head:6379"}, RayExecutor("head:6379", 3)),
        (
            {"on": "slurm", "sbatch": ["--time=1:00"], "submit": True},
            SlurmExecutor(None, ("--time=1:00",), submit=True),
        ),
    ],
)
def test_the_options_name_what_runs_the_trials(options, executor) -> None:
    assert executor_of({**PLACEMENT, **options}) == executor


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--jobs", "2"], "--jobs belongs to --on local or slurm"),
        (["--on", "ray", "--submit"], "--submit belongs to --on slurm"),
        (["--on", "local", "--address", "head:1"], "--address belongs to --on ray"),
        (["--storage", "s3://bucket/run"], "--storage belongs to --on local or ray or slurm"),
        (["--on", "local", "--devices", "2"], "--devices trains one network in several processes"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(options, message, monkeypatch, capsys, tmp_path) -> None:
    arguments = ["--data", str(tmp_path), "--arch", "cnn4", "--out", str(tmp_path / "run"), *options]
    monkeypatch.setattr(sys, "argv", ["trainer", "sweep", *arguments])

    with pytest.raises(SystemExit) as stopped:
        main()

    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
