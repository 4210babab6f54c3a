"""A trial and a bundle for every test that needs one."""

from pathlib import Path

import pytest

from export.export import write_bundle
from export.place import Place
from tests.export.untrained import SIDE, UntrainedTrial, small_network, trial_of


@pytest.fixture(scope="session")
def trial() -> UntrainedTrial:
    return trial_of(small_network(), architecture="cnn_baseline", side=SIDE, distribution=True)


@pytest.fixture(scope="session")
def models(trial, tmp_path_factory) -> Path:
    """A models directory with one bundle, `chest/1.0.0`, which is current. Not to be written to."""
    out = tmp_path_factory.mktemp("models")
    write_bundle(trial, Place(name="chest", version="1.0.0", out=out, make_current=True))
    return out


@pytest.fixture(scope="session")
def bundle(models) -> Path:
    return models / "chest" / "1.0.0"
