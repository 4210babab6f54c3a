"""Sweeps on a Ray cluster of two nodes, one of which is killed."""

import time
from pathlib import Path

import pytest

from schemas.errors import TrainingConfigError
from tests.trainer.sweeps.conftest import DEADLINE_S, EPOCHS, TRIALS, board_of, epochs_done, was_trained_once
from trainer.sweeps.ray_cluster import RayExecutor
from trainer.sweeps.sweep_trial import Share, SweepTrial

POINT = "21.2 sweeps on Ray"


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 as a rule: whatever else this machine does would starve them
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="the extra [ray] is not installed")
    node = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
    started = cluster_utils.Cluster(initialize_head=True, head_node_args=node)
    started.second = started.add_node(num_cpus=1, object_store_memory=80_000_000)
    yield started
    started.shutdown()


@pytest.mark.process
@pytest.mark.scale(POINT, "a node is killed in the middle; the leaderboard equals that of the local sweep")
@pytest.mark.timeout(1000)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_sweep_whose_node_is_killed_ends_with_the_leaderboard_of_a_local_one(
    cluster, start_sweep, local_board, tmp_path
) -> None:
    run = tmp_path / "run"
    process = start_sweep(run, "--on", "ray", "--address", cluster.address)
    first = wait_for_two_under_way(process, run)
    cluster.remove_node(cluster.second, allow_graceful=False)
    printed, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 0, printed
    assert board_of(run) == local_board
    logs = {trial: (run / "logs" / f"{trial}.log").read_text() for trial in TRIALS}
    starts = {trial: log.splitlines().count(trial) for trial, log in logs.items()}
    assert sorted(starts.values()) == [1, 1, 1, 2], f"one trial of {first} was on the node that was killed: {starts}"
    (again,) = (trial for trial, count in starts.items() if count == 2)
    assert again in first
    assert was_trained_once(logs[again]), "it went on from its last epoch"


def wait_for_two_under_way(process, run: Path) -> set[str]:
    """The two trials that have done some epochs each, and not all."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end and process.poll() is None:
        under_way = {trial for trial in TRIALS if 2 <= len(epochs_done(run, trial)) < EPOCHS - 4}
        if len(under_way) == 2:
            return under_way
        time.sleep(0.05)
    pytest.fail(f"never were two trials under way: {process.communicate(timeout=5)[0]}")


@pytest.mark.process
@pytest.mark.scale(POINT, "a trial that fits no node is refused, not waited for")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_trial_that_fits_no_node_is_refused(cluster, tmp_path) -> None:
    trial = SweepTrial(
        index=0,
        architecture="cnn4",
        seed=0,
        fold=None,
        name="cnn4-seed0",
        run=str(tmp_path),
        directory=str(tmp_path),
        share=Share(cpus=64),
    )

    with pytest.raises(TrainingConfigError, match="no node of the cluster has 64 CPUs and 0 GPUs"):
        RayExecutor(cluster.address).run([trial], lambda: None, print)


def test_ray_is_not_imported_where_it_is_not_used() -> None:
    """A module that is always imported must not load an extra that takes a second."""
    import trainer.sweeps.ray_cluster as module

    assert not hasattr(module, "ray")
