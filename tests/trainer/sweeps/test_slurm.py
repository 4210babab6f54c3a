"""The array of a sweep: its text, its commands as bash runs them, and a Slurm of one node that runs it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.errors import TrainingConfigError
from tests.trainer.sweeps.conftest import DEADLINE_S, board_of, epochs_done, was_trained_once
from trainer.sweeps.slurm import SlurmExecutor, array_file
from trainer.sweeps.sweep_trial import Share, SweepTrial

POINT = "21.2 sweeps on Slurm"


def trials(run: Path, **others) -> list[SweepTrial]:
    fields = {"architecture": "cnn4", "fold": None, "run": str(run), "directory": str(run), **others}
    return [SweepTrial(index=index, seed=index, name=f"cnn4-seed{index}", **fields) for index in (0, 2)]


def test_the_file_asks_for_what_a_trial_gets(tmp_path) -> None:
    text = array_file(trials(tmp_path, share=Share(cpus=4, gpus=1)), 3, ["--partition=gpu"])

    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    for line in ("--array=0,2%3", "--cpus-per-task=4", "--gres=gpu:1", "--requeue", "--partition=gpu"):
        assert f"#SBATCH {line}" in lines
    assert "export OMP_NUM_THREADS=4" in lines


@pytest.mark.process
def test_each_task_of_the_array_runs_the_command_of_its_trial(tmp_path) -> None:
    run = tmp_path / "a run's"
    run.mkdir()
    file = tmp_path / "array.sh"
    stored = trials(run, storage="s3://films/sweep")
    text = array_file(stored, None, [])
    file.write_text(text.replace(f"{sys.executable} -m trainer", "printf '%s|'"))

    def ran_as(task: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "SLURM_ARRAY_TASK_ID": task}
        return subprocess.run(["bash", file], env=environment, capture_output=True, text=True, check=False)

    ran = [ran_as(task) for task in ("0", "2", "1")]

    assert [task.returncode for task in ran] == [0, 0, 2]
    assert ran[0].stdout == f"trial|{run}|cnn4-seed0|--storage|s3://films/sweep|"
    assert ran[1].stdout.split("|")[2] == "cnn4-seed2"
    assert ran[2].stderr == "no trial 1\n"


def test_without_submit_the_file_is_written_and_the_user_is_told(tmp_path) -> None:
    said: list[str] = []

    SlurmExecutor().run(trials(tmp_path), lambda: None, said.append)

    assert said[-1] == f"  sbatch {tmp_path}/sweep.sbatch"
    assert (tmp_path / "sweep.sbatch").read_text() == array_file(trials(tmp_path), None, [])


@pytest.mark.process
def test_a_machine_without_slurm_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TrainingConfigError, match="sbatch is not on the PATH"):
        SlurmExecutor(submit=True).run(trials(tmp_path), lambda: None, print)


CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={port}
SlurmdPort={second_port}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,requeue_delay=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=main Nodes={host} Default=YES State=UP
"""


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A Slurm of this machine alone, with its own munge."""
    if os.geteuid() or not all(map(shutil.which, ("munged", "slurmctld", "slurmd", "sbatch"))):
        pytest.skip("no slurmctld, or not root: apt-get install slurm-wlm munge")
    folder = tmp_path / "slurm"
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    port, second_port = free_ports()
    config = folder / "slurm.conf"
    config.write_text(
        CONFIG.format(host=socket.gethostname().partition(".")[0], folder=folder, port=port, second_port=second_port)
    )
    monkeypatch.setenv("SLURM_CONF", str(config))
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    own = [f"--{name.replace('_', '-')}={folder}/munge.{name}" for name in ("pid_file", "log_file", "seed_file")]
    daemons = [
        ["munged", "--force", "--foreground", f"--key-file={key}", f"--socket={folder}/munge.sock", *own],
        ["slurmctld", "-D", "-f", str(config)],
        ["slurmd", "-D", "-f", str(config)],
    ]
    with (folder / "log").open("wb") as log:
        started = [subprocess.Popen(command, stdout=log, stderr=log) for command in daemons]
    yield folder
    subprocess.run(["scancel", "--user=root"], check=False, capture_output=True)
    for daemon in reversed(started):
        daemon.terminate()
        daemon.wait(30)


@pytest.mark.process
@pytest.mark.scale(POINT, "a task is put back into the queue in the middle; the leaderboard equals the local one")
@pytest.mark.timeout(1000)
def test_an_array_whose_task_is_requeued_ends_with_the_leaderboard_of_a_local_sweep(
    slurm, start_sweep, local_board, tmp_path
) -> None:
    run = tmp_path / "run"
    process = start_sweep(run, "--on", "slurm", "--submit", "--jobs", "2")
    end = time.monotonic() + DEADLINE_S
    while len(epochs_done(run, "cnn4-seed0")) < 2:
        assert time.monotonic() < end, (slurm / "log").read_text()[-2000:]
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    job = (run / "slurm_job.txt").read_text().strip()
    requeued = subprocess.run(["scontrol", "requeue", f"{job}_0"], check=False, capture_output=True, text=True)
    printed, _ = process.communicate(timeout=DEADLINE_S)

    assert requeued.returncode == 0, requeued.stderr
    assert process.returncode == 0, printed
    assert board_of(run) == local_board
    log = (run / "logs" / f"slurm-{job}_0.log").read_text()
    assert log.splitlines().count("cnn4-seed0") == 2, "it was started twice"
    assert was_trained_once(log), "it went on from its last epoch"
