"""Runs that were trained once for the tests that read them."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from tests.films import write_kermany
from trainer.config import make_config
from trainer.runs.run import train


@pytest.fixture(scope="session")
def viewed_run(tmp_path_factory) -> Path:
    """A finished run of one small network that was also measured on three views of each film at two scales."""
    return small_run(tmp_path_factory, {"tta": 2, "scales": [1.0, 1.2]})


@pytest.fixture(scope="session")
def shifted_run(tmp_path_factory) -> Path:
    """A finished run of one small network that was also judged under shifts, which decided its threshold."""
    return small_run(tmp_path_factory, {"shifts": True, "decide_on": "shifts"})


def small_run(tmp_path_factory, options: dict[str, Any]) -> Path:
    """Train one small network for two epochs."""
    films = write_kermany(tmp_path_factory.mktemp("films"), patients=40)
    run = tmp_path_factory.mktemp("runs") / "run"
    config = make_config(
        {
            "data": str(films),
            "cache": str(tmp_path_factory.mktemp("cache")),
            "archs": ["cnn_baseline"],
            "size": 32,
            "epochs": 2,
            "batch_size": 8,
            "val_fraction": 0.3,
            "device": "cpu",
        }
        | options
    )
    with Progress(console=Console(quiet=True)) as progress:
        train(config, run, command="python -m trainer train", progress=progress)
    return run
