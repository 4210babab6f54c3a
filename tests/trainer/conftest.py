"""Runs that were trained once for the tests that read them."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from tests.films import write_kermany
from tests.once import BuiltOnce
from trainer.config import RunConfig, make_config
from trainer.runs.run import train

RUN = "run"
COMMAND = "python -m trainer train --data films --arch all"
TWO = ("cnn_baseline", "cnn_attention")
SMALL: dict[str, Any] = {"size": 32, "epochs": 2, "batch_size": 8, "val_fraction": 0.3, "device": "cpu"}


@pytest.fixture(scope="session")
def viewed_run(built_once: BuiltOnce) -> Path:
    """A finished run of one small network that was also measured on three views of each film at two scales."""
    return built_once("viewed_run", lambda folder: small_run(folder, {"tta": 2, "scales": [1.0, 1.2]})) / RUN


@pytest.fixture(scope="session")
def shifted_run(built_once: BuiltOnce) -> Path:
    """A finished run of one small network that was also judged under shifts, which decided its threshold."""
    return built_once("shifted_run", lambda folder: small_run(folder, {"shifts": True, "decide_on": "shifts"})) / RUN


def two_networks(films: Path, cache: Path, **options: Any) -> RunConfig:
    """How `two_networks_run` was trained, on these films."""
    return make_config(SMALL | {"data": str(films), "cache": str(cache), "archs": list(TWO), **options})


@pytest.fixture(scope="session")
def two_networks_run(built_once: BuiltOnce, kermany_like: Path) -> Path:
    """A finished run of two small networks and their mean, whose cache lies beside it."""

    def build(folder: Path) -> None:
        with Progress(console=Console(quiet=True)) as progress:
            train(two_networks(kermany_like, folder / "cache"), folder / RUN, command=COMMAND, progress=progress)

    return built_once("two_networks", build) / RUN


def small_run(folder: Path, options: dict[str, Any]) -> Path:
    """Train one small network for two epochs; its films, its cache and its run lie in the folder."""
    films = write_kermany(folder / "films", patients=40)
    run = folder / RUN
    config = make_config(
        SMALL | {"data": str(films), "cache": str(folder / "cache"), "archs": ["cnn_baseline"], **options}
    )
    with Progress(console=Console(quiet=True)) as progress:
        train(config, run, command="python -m trainer train", progress=progress)
    return run
