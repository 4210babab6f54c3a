"""Every row of the architecture table, as parameters of a test; the fast tier has the networks of our own alone."""

from typing import Final

import pytest

from trainer.networks.architectures import ARCHITECTURES

_OF_EACH_KIND: Final = {"densenet121", "convnext_tiny", "tf_efficientnet_lite0"}
"""Dense and plain convolutions, LayerNorm, and what is shipped."""

EACH_ARCHITECTURE = [
    pytest.param(name, marks=() if row.timm_name is None else pytest.mark.table) for name, row in ARCHITECTURES.items()
]

EACH_KIND_OF_ARCHITECTURE = [
    pytest.param(
        *each.values, marks=each.marks if each.values[0] in _OF_EACH_KIND or not each.marks else pytest.mark.long
    )
    for each in EACH_ARCHITECTURE
]
"""As above; of timm's networks one of each kind, and the others in the whole tier."""
