"""Every row of the architecture table, as parameters of a test; the fast tier has the networks of our own alone."""

import pytest

from trainer.networks.architectures import ARCHITECTURES

EACH_ARCHITECTURE = [
    pytest.param(name, marks=() if row.timm_name is None else pytest.mark.table) for name, row in ARCHITECTURES.items()
]
