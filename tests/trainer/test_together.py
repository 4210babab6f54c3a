"""Several processes that train one network: as one would, from the first film to the record, also after a kill."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import TrainingConfigError
from tests.trainer.conftest import SMALL
from tests.waiting import wait_until
from trainer.config import make_config
from trainer.folder import RunFolder
from trainer.launch import Processes, torchrun
from trainer.learning.history import read_history
from trainer.runs.run import train
from trainer.together import ALONE, Together
from trainer.trials.record import read_trial

EPOCHS = 12
TRIAL = "cnn_baseline-seed0"


@given(films=st.integers(1, 200), size=st.integers(1, 40), world=st.integers(1, 5))
def test_each_film_of_an_epoch_is_in_one_batch_of_one_process(films, size, world) -> None:
    order = np.random.default_rng(0).permutation(films)
    if min(films, size) < 2 * world and world > 1:
        with pytest.raises(TrainingConfigError, match=f"too few for {world} processes; give a --batch-size of"):
            Together(0, world).cut(order, size)
        return

    parts = [Together(rank, world).cut(order, size) for rank in range(world)]

    assert sorted(np.concatenate([batch for batches in parts for batch in batches])) == list(range(films))
    wholes = [sum(map(len, batches)) for batches in zip(*parts, strict=True)]
    assert all(whole == size for whole in wholes[:-1])
    assert wholes[-1] < size + 2 * world
    assert all(len(batch) >= min(2, films) or world == 1 for batches in parts for batch in batches)


def test_where_one_of_several_fails_by_itself_it_ends() -> None:
    failure = RuntimeError("no memory")

    with pytest.raises(SystemExit, match=r"process 1 of 2 failed \(no memory\); all end."), Together(1, 2).in_step():
        raise failure
    with pytest.raises(RuntimeError, match="no memory"), ALONE.in_step():
        raise failure


def test_the_command_starts_itself_under_torchrun_without_its_own_options() -> None:
    typed = ["train", "--devices", "4", "--data", "a b", "--nodes=2", "--rendezvous", "gpu1:29500", "--out", "run"]

    command = torchrun(typed, Processes(4, 2, "gpu1:29500"))

    assert command[0] == sys.executable
    options = "--nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint gpu1:29500"
    assert " ".join(command[1:]) == f"-m torch.distributed.run {options} -m trainer train --data a b --out run"


@pytest.mark.parametrize("processes", [Processes(1, 2, None), Processes(2, 1, "gpu1:29500")])
def test_machines_meet_somewhere_where_there_are_several(processes) -> None:
    with pytest.raises(TrainingConfigError, match="several machines meet at HOST:PORT"):
        torchrun(["train"], processes)


def options(films: Path, cache: Path) -> dict[str, object]:
    own = {"learn.epochs": EPOCHS, "networks.archs": ["cnn_baseline"], "learn.patience": EPOCHS, "learn.dropout": 0}
    return SMALL | own | {"data.path": str(films), "data.cache": str(cache)}


def start(run: Path, films: Path, cache: Path, devices: int) -> subprocess.Popen[str]:
    """The command in as many processes."""
    fields = [f"{name}={json.dumps(value)}" for name, value in options(films, cache).items()]
    command = [sys.executable, "-m", "trainer", "train", "--devices", str(devices), "--out", str(run)]
    sets = [part for field in fields for part in ("--set", field)]
    return subprocess.Popen([*command, *sets], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_all(started: subprocess.Popen[str]) -> None:
    """End torchrun and what it started, which are sessions of their own, at once."""
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    for process in (started.pid, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    started.communicate()


@pytest.mark.scale("21.1 training", "two processes learn what one does; killed, three go on")
def test_two_processes_learn_what_one_does_and_three_go_on_after_a_kill(kermany_like, tmp_path) -> None:
    cache = tmp_path / "cache"
    alone, together = RunFolder(tmp_path / "alone"), RunFolder(tmp_path / "together")
    train(make_config(options(kermany_like, cache)), alone, command="train")
    folder = together.trial(TRIAL)

    killed = start(together.path, kermany_like, cache, devices=2)
    wait_until(lambda: read_history(folder) or killed.poll() is not None, "an epoch is done", timeout_s=200)
    kill_all(killed)
    of_two = len(read_history(folder))
    ended_early = not folder.record.exists()
    last = start(together.path, kermany_like, cache, devices=3)
    printed, _ = last.communicate(timeout=200)

    assert last.returncode == 0, printed
    assert ended_early
    assert 1 <= of_two < EPOCHS
    assert together.split.read_bytes() == alone.split.read_bytes()
    expected, found = read_history(alone.trial(TRIAL)), read_history(folder)
    for name in ("lr", "train_loss", "val_loss", "val_auroc"):
        pairs = [(getattr(one, name), getattr(other, name)) for one, other in zip(expected, found, strict=True)]
        assert all(other == pytest.approx(one, rel=1e-4) for one, other in pairs), (name, pairs)
    record = read_trial(folder)
    # What all computed together during training is, to the last bit, what the leader computes alone at the end.
    assert record.validation.auroc.value == found[record.best_epoch].val_auroc
