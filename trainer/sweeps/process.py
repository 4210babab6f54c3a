"""The process of one trial: started the same way on this machine and on a node of Ray, and never left behind."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from trainer.folder import RunFolder
from trainer.sweeps.sweep_trial import SweepTrial

REFUSED: Final = 2
"""Exit status of a trial that cannot begin: no films on this machine, no such run."""
FAILED: Final = 3
"""Exit status of a trial that has a record of why it has no network."""
LOST: Final = 1
"""Exit status of a trial that left no record: Python's for any error, and ours where the storage is away."""
ENDED: Final = (0, REFUSED, FAILED)
"""Exit statuses of a trial that would end the same way again; after any other it is started again."""
_ORPHAN: Final = 137  # as a shell counts a process that was killed


class TrialProcess:
    """A trial that runs; it ends itself when this process ends, however that is."""

    def __init__(self, trial: SweepTrial) -> None:
        """Start it; what it prints is appended to `logs/NAME.log` of the run."""
        self.trial = trial
        log = log_of(trial)
        log.parent.mkdir(parents=True, exist_ok=True)
        directory = trial.directory if Path(trial.directory).is_dir() else None
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - this program, without a shell
                [sys.executable, *trial.arguments, "--with-parent"],
                cwd=directory,
                env={**os.environ, **trial.environment},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def status(self, within_s: float) -> int | None:
        """The exit status, negative for a signal; None: it still runs after so many seconds."""
        try:
            status = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return None
        self._close()
        return status

    def wait(self) -> int:
        """The exit status once it has ended, negative for a signal."""
        status = self._process.wait()
        self._close()
        return status

    def kill(self) -> None:
        """End it; its checkpoint stays."""
        self._process.kill()
        self.wait()

    def _close(self) -> None:
        """A sweep of many trials must not run out of descriptors."""
        if self._process.stdin is not None:
            self._process.stdin.close()


def log_of(trial: SweepTrial) -> Path:
    """What the processes of a trial have printed, on the machine where they ran."""
    return RunFolder(Path(trial.run)).log(trial.name)


def end_with_parent() -> None:
    """End this process as soon as the one that holds the other end of its standard input is gone."""

    def watch() -> None:
        # Of the descriptor: a thread that holds the lock of sys.stdin would abort the interpreter as it ends.
        while os.read(0, 1):
            pass
        os._exit(_ORPHAN)

    threading.Thread(target=watch, name="parent", daemon=True).start()
