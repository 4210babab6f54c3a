"""What runs a list of trials: the seam between a sweep and the machines."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from trainer.sweeps.sweep_trial import SweepTrial

LOOK_S: Final = 2.0
"""Seconds between two looks at the progress of the trials."""


class Executor(Protocol):
    """Runs trials by their command, several at once."""

    def run(self, trials: Sequence[SweepTrial], look: Callable[[], None], say: Callable[[str], None]) -> None:
        """Run all; return once none runs any more. What has ended is read from the run's records, not from here.

        Args:
            trials: that have not ended.
            look: called now and then, and once after the last has ended.
            say: receives a line about a trial that was started again or given up.

        Raises:
            TrainingConfigError: nothing can be run there.
        """
        ...
