"""Runs that were trained once for the tests that read them."""

from pathlib import Path
from typing import Any

import pytest

from tests.films import write_kermany
from trainer.config import make_config
from trainer.folder import RunFolder
from trainer.runs.run import train


@pytest.fixture(scope="session")
def viewed_run(tmp_path_factory) -> Path:
    """A finished run of one small network that was also measured on three views of each film at two scales."""
    return small_run(tmp_path_factory, {"judge.tta": 2, "judge.scales": [1.0, 1.2]})


@pytest.fixture(scope="session")
def shifted_run(tmp_path_factory) -> Path:
    """A finished run of one small network that was also judged under shifts, which decided its threshold."""
    return small_run(tmp_path_factory, {"judge.shifts": True, "judge.decide_on": "shifts"})


def small_run(tmp_path_factory, options: dict[str, Any]) -> Path:
    """Train one small network for two epochs."""
    films = write_kermany(tmp_path_factory.mktemp("films"), patients=40)
    run = tmp_path_factory.mktemp("runs") / "run"
    config = make_config(
        {
            "data.path": str(films),
            "data.cache": str(tmp_path_factory.mktemp("cache")),
            "networks.archs": ["cnn_baseline"],
            "networks.size": 32,
            "learn.epochs": 2,
            "learn.batch_size": 8,
            "data.val_fraction": 0.3,
            "learn.device": "cpu",
        }
        | options
    )
    train(config, RunFolder(run), command="python -m trainer train")
    return run
