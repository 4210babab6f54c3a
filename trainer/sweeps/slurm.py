"""The trials of a sweep as an array of Slurm: a file for sbatch, given to it on request and waited for."""

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.files import write_whole
from schemas.errors import TrainingConfigError
from trainer.folder import RunFolder
from trainer.sweeps.executor import LOOK_S
from trainer.sweeps.sweep_trial import SweepTrial

_UNKNOWN_JOB = "Invalid job id"  # of a job that ended a while ago


@dataclass(frozen=True, slots=True)
class SlurmExecutor:
    """Writes `sweep.sbatch` into the run's folder; an array that Slurm is working on already is waited for."""

    jobs: int | None = None
    """Trials at once; None: as many as Slurm finds room for."""
    options: tuple[str, ...] = ()
    """Further lines of #SBATCH, such as --partition=gpu."""
    submit: bool = False
    """Give the file to sbatch and wait; otherwise the user does."""

    def run(self, trials: Sequence[SweepTrial], look: Callable[[], None], say: Callable[[str], None]) -> None:
        """See `Executor`.

        Raises:
            TrainingConfigError: Slurm is not here, or refuses the file.
        """
        folder = RunFolder(Path(trials[0].run))
        job = _job(folder)
        if job is None or not _is_known(job):
            write_whole(folder.sbatch, array_file(trials, self.jobs, self.options).encode())
            folder.log("any").parent.mkdir(exist_ok=True)
            if not self.submit:
                say(
                    f"the trials that are left stand in {folder.sbatch}; start them, and afterwards this command again:"
                )
                say(f"  sbatch {shlex.quote(str(folder.sbatch))}")
                return
            job = _submitted(folder)
        say(f"Slurm's job {job} runs the trials; see them by: squeue --jobs {job}")
        while _is_known(job):
            look()
            time.sleep(LOOK_S)
        look()


def array_file(trials: Sequence[SweepTrial], jobs: int | None, options: Sequence[str]) -> str:
    """The text of a file for sbatch that runs these trials, one in each task of an array.

    A task that Slurm puts back into its queue goes on from the last epoch.

    Args:
        trials: of one run, at least one; the task's number is the trial's place among all of the run.
        jobs: trials at once; None: as many as there is room for.
        options: further lines of #SBATCH.

    Source: https://slurm.schedmd.com/job_array.html
    """
    first = trials[0]
    folder = RunFolder(Path(first.run))
    tasks = ",".join(str(trial.index) for trial in trials)
    logs = folder.log("slurm-%A_%a").as_posix().replace('"', '\\"')
    gpus = [f"--gres=gpu:{max(1, round(first.share.gpus))}"] if first.share.gpus else []
    lines = [
        f"--job-name=sweep-{folder.name.replace(' ', '-')}",
        f"--array={tasks}" + (f"%{jobs}" if jobs else ""),
        f"--cpus-per-task={first.share.cpus}",
        *gpus,
        "--requeue",
        "--open-mode=append",
        f'--output="{logs}"',
        *options,
    ]
    cases = "".join(f"  {trial.index}) {shlex.join([sys.executable, *trial.arguments])} ;;\n" for trial in trials)
    exports = "".join(f"export {name}={value}\n" for name, value in first.environment.items())
    return (
        "#!/bin/bash\n"
        + "".join(f"#SBATCH {line}\n" for line in lines)
        + f"\n{exports}cd {shlex.quote(first.directory)} || exit 2\n"
        + f'case "$SLURM_ARRAY_TASK_ID" in\n{cases}  *) echo "no trial $SLURM_ARRAY_TASK_ID" >&2; exit 2 ;;\nesac\n'
    )


def _job(folder: RunFolder) -> str | None:
    return folder.slurm_job.read_text().strip() if folder.slurm_job.exists() else None


def _submitted(folder: RunFolder) -> str:
    asked = _ask("sbatch", "--parsable", str(folder.sbatch))
    if asked.returncode:
        msg = f"sbatch refused {folder.sbatch}: {asked.stderr.strip()}; add what this cluster demands by --sbatch"
        raise TrainingConfigError(msg)
    job = asked.stdout.strip().partition(";")[0]
    write_whole(folder.slurm_job, f"{job}\n".encode())
    return job


def _is_known(job: str) -> bool:
    """Whether Slurm still has tasks of the job; where it does not answer, nothing is known, and it is asked again."""
    asked = _ask("squeue", "--noheader", "--jobs", job, "--format", "%T")
    return bool(asked.stdout.strip()) if asked.returncode == 0 else _UNKNOWN_JOB not in asked.stderr


def _ask(*command: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - without a shell
    except FileNotFoundError as error:
        msg = f"{command[0]} is not on the PATH; start the sweep on a machine of the cluster, or without --submit"
        raise TrainingConfigError(msg) from error
