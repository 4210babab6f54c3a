"""An engine whose probabilities are those of the site's temperature: the graph holds the bundle's own."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from schemas.model.decision import calibrated
from schemas.model.manifest import BundleManifest
from service.engine.engine import Engine, Outputs


@dataclass(frozen=True, slots=True)
class SiteEngine:
    """Runs the same network; what it says of findings is calibrated again from its logits."""

    engine: Engine
    """Of the bundle."""
    manifest: BundleManifest
    """With the site's calibration."""

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64] | None) -> Outputs:
        """Run the network on a batch; see `Engine`."""
        return at_site(self.engine.run(images, targets), self.manifest)

    def interrupt(self, longest_s: float) -> None:
        """See `Engine`."""
        self.engine.interrupt(longest_s)


def at_site(outputs: Outputs, manifest: BundleManifest) -> Outputs:
    """What the network says, calibrated as the site's manifest asks."""
    return replace(outputs, probabilities=calibrated(outputs.logits, manifest.calibration, manifest.classes))
