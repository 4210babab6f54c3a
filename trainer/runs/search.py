"""The search of learning rate, weight decay and strategy: random, or cut short early where a fit is behind (ASHA)."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from schemas.errors import CxrError
from trainer.config import SearchOptions
from trainer.folder import RunFolder, TrialFolder
from trainer.learning.history import EpochRecord, read_history
from trainer.learning.learner import FitPlan
from trainer.learning.loop import fit
from trainer.learning.options import LearnOptions
from trainer.reporter import Reporter
from trainer.trials.make_trial import SearchedFields

_INDEX = "index"  # of a fit in its search: what its settings and its folder follow from
_SETTINGS = "settings"


class _Behind(Exception):  # noqa: N818 - not an error
    """Raised through `fit` to end a fit that is behind the others."""


@dataclass(frozen=True, slots=True)
class _Search:
    """One architecture's search."""

    plan: FitPlan
    learn: LearnOptions
    study: optuna.Study
    reporter: Reporter


def search(
    plan: FitPlan, learn: LearnOptions, options: SearchOptions, folder: RunFolder, reporter: Reporter
) -> SearchedFields:
    """The settings of an architecture with the best validation AUROC, from `options.trials` that are tried.

    What is tried is a function of the search's seed, the architecture and the number of the fit. A search that was
    killed goes on: what has ended is read from SQLite, what was under way from its checkpoint.

    Args:
        plan: the architecture, and its films.
        learn: the run's own settings; the search overrides them.
        options: how, and how much.
        folder: of the run; receives `search/`.
        reporter: receives the progress.

    Returns:
        Fields of the section `learn`; none where nothing that was tried could be trained.

    Source: Li et al., MLSys 2020, arXiv:1810.05934 (ASHA); Bergstra and Bengio, JMLR 13 (2012) 281-305 (random search).
    """
    folder.search.mkdir(parents=True, exist_ok=True)
    with _database(folder) as storage:
        return _searched(
            _Search(plan, learn, _open_study(plan.architecture, options, storage), reporter), options, folder
        )


def _searched(searching: _Search, options: SearchOptions, folder: RunFolder) -> SearchedFields:
    study = searching.study
    name = searching.plan.architecture
    earlier = {trial.user_attrs[_INDEX]: trial for trial in study.get_trials() if _INDEX in trial.user_attrs}
    for index in range(options.trials):
        before = earlier.get(index)
        if before is None or not before.state.is_finished():  # not finished: of a process that was killed
            settings = draw(searching.learn, options, name, index)
            trial = _trial(study, before, index, settings)
            _try(searching, trial, settings, folder.search_trial(name, index))
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        return {}
    best: SearchedFields = json.loads(study.best_trial.user_attrs[_SETTINGS])
    return best


@contextmanager
def _database(folder: RunFolder) -> Iterator[RDBStorage]:
    """The studies of a run, whose connections are closed at the end: Python 3.13 warns of those that are left open."""
    storage = RDBStorage(f"sqlite:///{folder.search_database}")
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _open_study(name: str, options: SearchOptions, storage: RDBStorage) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=name,
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
        if options.method == "asha"
        else optuna.pruners.NopPruner(),
    )


def _trial(study: optuna.Study, before: FrozenTrial | None, index: int, settings: SearchedFields) -> optuna.Trial:
    """A new trial of the study, or the one that a killed process left."""
    trial = study.ask() if before is None else optuna.Trial(study, before._trial_id)  # noqa: SLF001 - to go on with it
    trial.set_user_attr(_INDEX, index)
    trial.set_user_attr(_SETTINGS, json.dumps(settings))
    return trial


def draw(learn: LearnOptions, options: SearchOptions, name: str, index: int) -> SearchedFields:
    """The settings of the fit with this index; the first has the run's own.

    Learning rate and weight decay are drawn from a range whose logarithm is uniform, around those of the run.
    """
    recipe = learn.recipe(name)
    if index == 0:
        return {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "strategy": learn.strategy}
    random = np.random.default_rng((options.seed, zlib.crc32(name.encode()), index))
    return {
        "lr": recipe.lr * _log_uniform(random, options.lr_factor),
        "weight_decay": (recipe.weight_decay or 0.01) * _log_uniform(random, options.weight_decay_factor),
        "strategy": str(random.choice(options.strategies)) if options.strategies else learn.strategy,
    }


def _log_uniform(random: np.random.Generator, factor: float) -> float:
    return float(factor ** random.uniform(-1, 1))


def _try(searching: _Search, trial: optuna.Trial, settings: SearchedFields, folder: TrialFolder) -> None:
    folder.make()
    done = read_history(folder)
    report = _reporting(searching.study, trial, len(done))
    try:
        for record in done:
            report(record)
        learn = searching.learn.changed(settings)
        fitted = fit(searching.plan, learn, folder, searching.reporter, report)
    except _Behind:
        searching.study.tell(trial, state=TrialState.PRUNED)
    except (CxrError, RuntimeError, MemoryError) as error:  # settings that do not work are an answer, too
        searching.reporter.message(f"  {folder.name} failed: {error}")
        searching.study.tell(trial, state=TrialState.FAIL)
    else:
        searching.study.tell(trial, max(record.val_auroc for record in fitted.history))


def _reporting(study: optuna.Study, trial: optuna.Trial, done: int) -> Callable[[EpochRecord], None]:
    """Reports each epoch to the study, and ends the fit where it is behind.

    Args:
        study: of the architecture.
        trial: of this fit.
        done: epochs that an earlier process trained.
    """
    reported = set(study.trials[trial.number].intermediate_values)

    def report(record: EpochRecord) -> None:
        step = record.epoch + 1
        if step not in reported:
            trial.report(record.val_auroc, step=step)
        if step > done - 1 and trial.should_prune():  # earlier epochs were judged when they were new
            raise _Behind

    return report


def tried(folder: RunFolder) -> Mapping[str, list[dict[str, Any]]]:
    """Every fit of a run's search by architecture: its state, settings and validation AUROC; empty without a search."""
    if not folder.search_database.exists():
        return {}
    with _database(folder) as storage:
        names = [summary.study_name for summary in optuna.get_all_study_summaries(storage)]
        return {name: _rows(optuna.load_study(study_name=name, storage=storage)) for name in names}


def _rows(study: optuna.Study) -> list[dict[str, Any]]:
    return [
        {
            "state": trial.state.name.lower(),
            "auroc": max(trial.intermediate_values.values(), default=None),
            **json.loads(trial.user_attrs[_SETTINGS]),
        }
        for trial in study.get_trials(deepcopy=False)
        if _SETTINGS in trial.user_attrs and trial.state.is_finished()
    ]
