"""The search of learning rate, weight decay and strategy: random, or cut short early where it is behind (ASHA)."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from rich.progress import Progress

from schemas.errors import CxrError
from trainer.config import RunConfig, SearchSpec, make_config
from trainer.learning.history import EpochRecord, read_history
from trainer.learning.loader import LabelledFilms
from trainer.learning.loop import fit

SEARCH = "search"
_DATABASE = "search.db"
_INDEX = "index"  # of a trial in its search: what its parameters and its folder follow from

Settings = dict[str, Any]


class _Behind(Exception):  # noqa: N818 - no error
    """Raised through `fit` to end a trial that is behind the others."""


def search(  # noqa: PLR0913 - what a search is a function of, and where it tells
    config: RunConfig,
    spec: SearchSpec,
    name: str,
    train: LabelledFilms,
    validation: LabelledFilms,
    *,
    run: Path,
    progress: Progress,
) -> Settings:
    """The settings with the best validation AUROC of an architecture, from `spec.trials` that are tried.

    What is tried is a function of the spec's seed, the architecture and the number of the trial. A search that was
    killed goes on: what has ended is read from SQLite, what was under way from its checkpoint.

    Args:
        config: of the run; the search overrides it.
        spec: how, and how much.
        name: the architecture.
        train: films to learn from.
        validation: films to judge on.
        run: folder of the run; receives `search/`.
        progress: where the epochs are shown.

    Returns:
        Fields of the config; none where nothing that was tried could be trained.

    Source: Li et al., MLSys 2020, arXiv:1810.05934 (ASHA); Bergstra and Bengio, JMLR 13 (2012) 281-305 (random search).
    """
    folder = run / SEARCH
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=name,
        storage=f"sqlite:///{folder / _DATABASE}",
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
        if spec.method == "asha"
        else optuna.pruners.NopPruner(),
    )
    known = {trial.user_attrs[_INDEX]: trial for trial in study.get_trials() if _INDEX in trial.user_attrs}
    for index in range(spec.trials):
        before = known.get(index)
        if before is None or not before.state.is_finished():  # not finished: of a process that was killed
            trial = study.ask() if before is None else optuna.Trial(study, before._trial_id)  # noqa: SLF001 - to go on with it
            settings = draw(config, spec, name, index)
            trial.set_user_attr(_INDEX, index)
            trial.set_user_attr("settings", json.dumps(settings))
            changed = make_config(config.model_dump() | settings)
            directory = folder / f"{name.replace(':', '-')}-{index:03d}"
            _try(study, trial, changed, name, train, validation, directory=directory, progress=progress)
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        return {}
    best: Settings = json.loads(study.best_trial.user_attrs["settings"])
    return best


def draw(config: RunConfig, spec: SearchSpec, name: str, index: int) -> Settings:
    """What the trial with this index tries; the first tries the run's own settings.

    Learning rate and weight decay are drawn from a range whose logarithm is uniform, around those of the run.
    """
    recipe = config.recipe(name)
    own: Settings = {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "strategy": config.strategy}
    if index == 0:
        return own
    random = np.random.default_rng((spec.seed, zlib.crc32(name.encode()), index))
    return {
        "lr": recipe.lr * _log_uniform(random, spec.lr_factor),
        "weight_decay": (recipe.weight_decay or 0.01) * _log_uniform(random, spec.weight_decay_factor),
        "strategy": str(random.choice(spec.strategies)) if spec.strategies else config.strategy,
    }


def _log_uniform(random: np.random.Generator, factor: float) -> float:
    return float(factor ** random.uniform(-1, 1))


def _try(  # noqa: PLR0913, PLR0917 - what one trial of a search is a function of
    study: optuna.Study,
    trial: optuna.Trial,
    config: RunConfig,
    name: str,
    train: LabelledFilms,
    validation: LabelledFilms,
    *,
    directory: Path,
    progress: Progress,
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    reported = set(study.trials[trial.number].intermediate_values)

    def report(record: EpochRecord) -> None:
        step = record.epoch + 1
        if step not in reported:
            trial.report(record.val_auroc, step=step)
        if step > len(done) - 1 and trial.should_prune():  # earlier epochs were judged when they were new
            raise _Behind

    done = read_history(directory)
    try:
        for record in done:
            report(record)
        fitted = fit(config, name, 0, train, validation, directory=directory, progress=progress, on_epoch=report)
    except _Behind:
        study.tell(trial, state=TrialState.PRUNED)
    except (CxrError, RuntimeError, MemoryError) as error:  # settings that do not work are an answer, too
        progress.console.print(f"  {directory.name} failed: {error}", markup=False)
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, max(record.val_auroc for record in fitted.history))


def tried(run: Path) -> Mapping[str, list[dict[str, Any]]]:
    """Every trial of a run's search by architecture: its state, settings and validation AUROC; empty without one."""
    path = run / SEARCH / _DATABASE
    if not path.exists():
        return {}
    storage = f"sqlite:///{path}"
    found: dict[str, list[dict[str, Any]]] = {}
    for summary in optuna.get_all_study_summaries(storage):
        study = optuna.load_study(study_name=summary.study_name, storage=storage)
        found[summary.study_name] = [
            {
                "state": trial.state.name.lower(),
                "auroc": max(trial.intermediate_values.values(), default=None),
                **json.loads(trial.user_attrs["settings"]),
            }
            for trial in study.get_trials(deepcopy=False)
            if "settings" in trial.user_attrs and trial.state.is_finished()
        ]
    return found
