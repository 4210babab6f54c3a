"""The trials of a sweep as tasks of a Ray cluster, each of which runs the command of its trial on a node."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.errors import TrainingConfigError
from trainer.sweeps.executor import LOOK_S
from trainer.sweeps.process import ENDED, REFUSED, TrialProcess, log_of
from trainer.sweeps.sweep_trial import SweepTrial


class TrialKilledError(Exception):
    """The process of a trial was killed on its node, for instance by the kernel when memory ran out."""


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Runs trials wherever the cluster has room for them; those of a node that is lost run again on another one.

    Source: Moritz et al., OSDI 2018, arXiv:1712.05889 (tasks and their retries).
    """

    address: str | None = None
    """HOST:PORT of the cluster, or ray://HOST:PORT; None: a cluster of this machine alone, for the sweep."""
    retries: int = 3
    """Of one trial, after its node or its process was lost."""

    def run(self, trials: Sequence[SweepTrial], look: Callable[[], None], say: Callable[[str], None]) -> None:
        """See `Executor`."""
        ray = _import_ray()
        _join(ray, self.address)
        try:
            _require_room(ray, trials)
            task = ray.remote(_run_on_node)
            waiting = {_submit(task, trial, self.retries): trial for trial in trials}
            while waiting:
                ended, _ = ray.wait(list(waiting), num_returns=1, timeout=LOOK_S)
                for reference in ended:
                    _note(ray, reference, waiting.pop(reference), say)
                look()
        finally:
            ray.shutdown()


def _import_ray() -> Any:
    # Nothing is reported to Ray's makers, and a task without a graphics card does not hide those of its node.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        msg = "--on ray needs Ray, which is not installed; install the extra [ray] on every node"
        raise TrainingConfigError(msg) from error
    return ray


def _join(ray: Any, address: str | None) -> None:
    try:
        ray.init(address=address or "local", include_dashboard=None if address else False, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        msg = f"no Ray cluster answers at {address or 'this machine'} ({error}); give the --address of its head"
        raise TrainingConfigError(msg) from error


def _require_room(ray: Any, trials: Sequence[SweepTrial]) -> None:
    """A task that fits no node would wait for ever."""
    share = trials[0].share
    nodes: list[Mapping[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= share.cpus and node.get("GPU", 0) >= share.gpus for node in nodes):
        msg = f"no node of the cluster has {share.cpus} CPUs and {share.gpus:g} GPUs; give fewer by --cpus and --gpus"
        raise TrainingConfigError(msg)


def _submit(task: Any, trial: SweepTrial, retries: int) -> Any:
    placed = task.options(
        name=trial.name,
        num_cpus=trial.share.cpus,
        num_gpus=trial.share.gpus,
        max_retries=retries,
        retry_exceptions=[TrialKilledError],
        scheduling_strategy="SPREAD",
    )
    return placed.remote(trial.model_dump_json())


def _run_on_node(trial_json: str) -> int:
    """The task: run the trial's command to its end, on the node where Ray has put it.

    Raises:
        TrialKilledError: it was killed; Ray runs the task again.
    """
    process = TrialProcess(SweepTrial.model_validate_json(trial_json))
    status = process.wait()
    if status not in ENDED:
        msg = f"status {status}"
        raise TrialKilledError(msg)
    return status


def _note(ray: Any, reference: Any, trial: SweepTrial, say: Callable[[str], None]) -> None:
    try:
        if ray.get(reference) == REFUSED:
            say(f"{trial.name} cannot begin; {log_of(trial)} on its node says why")
    except ray.exceptions.RayError as error:
        say(f"{trial.name} is given up after its retries: {str(error).strip().splitlines()[-1]}")
