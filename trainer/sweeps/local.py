"""The trials of a sweep as processes of this machine."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainer.sweeps.executor import LOOK_S
from trainer.sweeps.process import ENDED, REFUSED, TrialProcess, log_of
from trainer.sweeps.sweep_trial import SweepTrial


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Runs several trials at once; one that is killed is started again."""

    jobs: int = 1
    """Trials at once."""
    retries: int = 3
    """Of one trial, after its process was killed."""

    def run(self, trials: Sequence[SweepTrial], look: Callable[[], None], say: Callable[[str], None]) -> None:
        """See `Executor`."""
        waiting = deque((trial, self.retries) for trial in trials)
        running: list[tuple[TrialProcess, int]] = []
        looked = 0.0
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    trial, left = waiting.popleft()
                    running.append((TrialProcess(trial), left))
                for process, left in tuple(running):
                    status = process.status(0.2 / len(running))
                    if status is not None:
                        running.remove((process, left))
                        waiting.extendleft(_again(process.trial, status, left, say))
                if time.monotonic() - looked > LOOK_S:
                    look()
                    looked = time.monotonic()
        finally:
            for process, _ in running:
                process.kill()
        look()


def _again(trial: SweepTrial, status: int, left: int, say: Callable[[str], None]) -> list[tuple[SweepTrial, int]]:
    """The trial with the retries that are left to it; nothing where it has ended or has none."""
    if status == REFUSED:
        say(f"{trial.name} cannot begin; {log_of(trial)} says why")
    if status in ENDED:
        return []
    if not left:
        say(f"{trial.name} ended with status {status} and is given up")
        return []
    say(f"{trial.name} ended with status {status} and is started again; it goes on from its last epoch")
    return [(trial, left - 1)]
