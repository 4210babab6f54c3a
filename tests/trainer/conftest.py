"""Runs that were trained once for the tests that read them."""

from pathlib import Path
from typing import Any

import pytest

from tests.films import write_kermany
from tests.once import BuiltOnce
from trainer.config import RunConfig, make_config
from trainer.folder import RunFolder
from trainer.runs.run import train

RUN = "run"
COMMAND = "python -m trainer train --data films --arch all"
SMALL: dict[str, Any] = {
    "networks.size": 32,
    "learn.epochs": 2,
    "learn.batch_size": 8,
    "data.val_fraction": 0.3,
    "learn.device": "cpu",
}


@pytest.fixture(scope="session")
def viewed_run(built_once: BuiltOnce) -> Path:
    """A finished run of one small network that was also measured on three views of each film at two scales."""
    options = {"judge.tta": 2, "judge.scales": [1.0, 1.2]}
    return built_once("viewed_run", lambda folder: small_run(folder, options)) / RUN


@pytest.fixture(scope="session")
def shifted_run(built_once: BuiltOnce) -> Path:
    """A finished run of one small network that was also judged under shifts, which decided its threshold."""
    options = {"judge.shifts": True, "judge.decide_on": "shifts"}
    return built_once("shifted_run", lambda folder: small_run(folder, options)) / RUN


@pytest.fixture(scope="session")
def two_networks_run(built_once: BuiltOnce, kermany_like: Path) -> Path:
    """A finished run of two small networks and their mean; `two_networks` gives its config."""

    def build(folder: Path) -> None:
        train(two_networks(kermany_like, folder), RunFolder(folder / RUN), command=COMMAND)

    return built_once("two_networks", build) / RUN


def two_networks(films: Path, folder: Path) -> RunConfig:
    """How to train two small networks on the films, with a cache in the folder."""
    archs = ["cnn_baseline", "cnn_attention"]
    return make_config(SMALL | {"data.path": str(films), "data.cache": str(folder / "cache"), "networks.archs": archs})


def small_run(folder: Path, options: dict[str, Any]) -> Path:
    """Train one small network for two epochs; its films, its cache and its run lie in the folder."""
    films = write_kermany(folder / "films", patients=40)
    defaults = {"data.path": str(films), "data.cache": str(folder / "cache"), "networks.archs": ["cnn_baseline"]}
    train(make_config(SMALL | defaults | options), RunFolder(folder / RUN), command="python -m trainer train")
    return folder / RUN
