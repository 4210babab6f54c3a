"""Trials as processes of this machine, which are killed; and trials that share an object store alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.trainer.sweeps.conftest import (
    DEADLINE_S,
    EPOCHS,
    ROOT,
    TRIALS,
    board_of,
    epochs_done,
    epochs_printed,
    sweep_options,
    was_trained_once,
)

POINT = "21.2 sweeps"


def children(process: int, name: str) -> list[int]:
    """The processes below this one that run a trial."""
    found = subprocess.run(["pgrep", "-P", str(process), "-f", f"trial.*{name}"], capture_output=True, check=False)
    return [int(line) for line in found.stdout.split()]


def wait_for(what, process) -> None:
    end = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


@pytest.mark.process
@pytest.mark.scale(POINT, "a trial and the whole sweep are killed; no epoch is trained twice")
@pytest.mark.timeout(1000)
def test_a_sweep_that_is_killed_goes_on_and_leaves_no_process(start_sweep, local_board, tmp_path) -> None:
    run = tmp_path / "run"
    first = TRIALS[0]
    process = start_sweep(run, "--on", "local")
    wait_for(lambda: len(epochs_done(run, first)) >= 2, process)
    (trial,) = children(process.pid, first)
    os.kill(trial, signal.SIGKILL)
    wait_for(lambda: children(process.pid, first) not in ([], [trial]), process)
    (again,) = children(process.pid, first)
    process.kill()
    process.communicate()
    end = time.monotonic() + 20
    while Path(f"/proc/{again}").exists():
        assert time.monotonic() < end, "the trial outlived its sweep"
        time.sleep(0.02)
    assert not (run / "leaderboard.json").exists()

    process = start_sweep(run, "--on", "local", "--jobs", "2")
    printed, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 0, printed
    assert board_of(run) == local_board
    for name in TRIALS:
        assert was_trained_once((run / "logs" / f"{name}.log").read_text())


@pytest.mark.process
@pytest.mark.scale(POINT, "trials with folders of their own and S3 in common; one is killed and goes on elsewhere")
@pytest.mark.timeout(1000)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_trial_goes_on_on_another_machine_from_s3(kermany_like, local_board, tmp_path, monkeypatch) -> None:
    server_of = pytest.importorskip("moto.server", reason="moto is not installed")
    boto3 = pytest.importorskip("boto3")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="sweeps")
    storage = "s3://sweeps/first"
    run = tmp_path / "run"
    options = sweep_options(kermany_like, tmp_path / "cache")
    sweep = [sys.executable, "-m", "trainer", "sweep", *options, "--out", str(run), "--storage", storage, "--on"]
    try:
        assert subprocess.run([*sweep, "slurm"], cwd=ROOT, check=False, capture_output=True).returncode == 3, "written"
        for machine in ("one", "two"):
            folder = tmp_path / machine
            trial = [sys.executable, "-m", "trainer", "trial", str(folder), TRIALS[0], "--storage", storage]
            with (tmp_path / f"{machine}.log").open("w") as log:
                process = subprocess.Popen(trial, cwd=ROOT, stdout=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
            if machine == "one":
                wait_for(lambda: len(epochs_done(tmp_path / "one", TRIALS[0])) >= 3, process)
                process.kill()
            process.wait(DEADLINE_S)
        ended = subprocess.run([*sweep, "local", "--jobs", "2"], cwd=ROOT, check=False, capture_output=True, text=True)
    finally:
        server.stop()

    assert process.returncode == 0
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert board_of(run) == local_board
    second = epochs_printed((tmp_path / "two.log").read_text())
    assert second[0] > 1
    assert second[-1] == EPOCHS, "the second machine did the rest alone"
