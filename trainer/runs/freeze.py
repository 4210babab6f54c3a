"""The config of a run, written down once and never changed."""

from pathlib import Path

import yaml

from bundle.files import write_whole
from schemas.errors import TrainingConfigError
from trainer.config import CONFIG, RunConfig, read_config


def freeze_config(config: RunConfig, run: Path) -> None:
    """Write the config of a new run, or check that the run was started with an equal one.

    Raises:
        TrainingConfigError: the run was started with another config; it names the fields that differ. Or a new run would
            search under cross-validation.
    """
    path = run / CONFIG
    if not path.exists():
        _refuse_search_in_folds(config)
        run.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        write_whole(path, text.encode())
        return
    before = read_config(run)
    differ = [
        f"{name} was {getattr(before, name)!r}, now {getattr(config, name)!r}"
        for name in RunConfig.model_fields
        if getattr(before, name) != getattr(config, name)
    ]
    if differ:
        msg = f"{run} was started with another config: {'; '.join(differ)}; give another --out, or the same options"
        raise TrainingConfigError(msg)


def _refuse_search_in_folds(config: RunConfig) -> None:
    """Asked of new runs alone, not by `RunConfig`: older runs with both are still read."""
    if config.search and config.folds:
        msg = (
            f"folds={config.folds} with search={config.search.method}: the settings would be chosen on films that other "
            "folds train on; search in a run without folds, then give what it found to a run with folds"
        )
        raise TrainingConfigError(msg)
