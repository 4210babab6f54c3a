"""The processes beside the leader of a run: each fit that it begins is theirs, too."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from schemas.errors import CxrError
from trainer.config import RunConfig
from trainer.films.dataset import read_dataset
from trainer.folder import RunFolder, TrialFolder
from trainer.learning.learner import FitPlan, FitTask
from trainer.learning.loop import fit
from trainer.reporter import SilentReporter
from trainer.together import LeaderStoppedError, Together
from trainer.trials.context import RunContext
from trainer.trials.teachers import find_teachers
from trainer.trials.trial_spec import TrialSpec


@contextmanager
def leading(together: Together) -> Iterator[None]:
    """Carry a run out with the others; they end with it.

    What ends the process itself ends them by torchrun.
    """
    try:
        yield
    except CxrError:
        together.told(None)
        raise
    together.told(None)


def follow(config: RunConfig, folder: RunFolder, together: Together) -> None:
    """Learn with the leader until it says that the run has ended.

    Args:
        config: of the run.
        folder: of the run, on a disk that all processes see; read once the leader has written it.
        together: whose hand this process is.
    """
    plan_of = _planner(config, folder, together)
    while (task := together.told()) is not None:
        try:
            fit(plan_of(task), task.options, TrialFolder(Path(task.folder)), SilentReporter())
        except (CxrError, LeaderStoppedError):
            continue  # the leader fails by the same, and records it


def _planner(config: RunConfig, folder: RunFolder, together: Together) -> Callable[[FitTask], FitPlan]:
    known: list[RunContext] = []

    def plan_of(task: FitTask) -> FitPlan:
        if not known:
            dataset = read_dataset(folder, config.data)
            known.append(RunContext(folder, config, dataset, SilentReporter(), "", together=together))
        context = known[0]
        if task.taught and context.teach is None:
            context = replace(context, teach=find_teachers(config.learn, config.networks, context.dataset))
            known[0] = context
        plan = context.fit_plan(TrialSpec(task.architecture, task.seed, task.fold))
        return plan if task.taught else replace(plan, teach=None)

    return plan_of
