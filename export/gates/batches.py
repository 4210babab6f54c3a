"""The gate of a graph that cannot be compared with torch: films together must give what each of them gives alone."""

import numpy as np
from numpy.typing import NDArray

from bundle.golden import largest_difference
from bundle.session import MOST_PROBABLE, Run, first_line, run_in_batches
from export.gates.parity import BATCHES, TOLERANCES
from schemas.errors import BundleError, InferenceError


def check_batches(run: Run, films: NDArray[np.float32], classes: int) -> None:
    """Require that the graph gives films in a batch the logits that it gives each of them alone.

    Args:
        run: the wired graph.
        films: [V, 1, S, S]; the first 32 are taken, repeated where V is less.
        classes: K.

    Raises:
        BundleError: it gives other than K logits, or a batch gives something else.
    """
    films = films[np.arange(max(BATCHES)) % len(films)]
    targets = np.full(len(films), MOST_PROBABLE, np.int64)
    alone, *together = (_logits(run, films, targets, batch) for batch in BATCHES)
    if alone.shape != (len(films), classes):
        msg = (
            f"the graph gives {alone.shape[1:]} values a film for {classes} classes; name the right --logits or "
            "--classes"
        )
        raise BundleError(msg)
    worst = max(largest_difference(actual, alone) for actual in together)
    tolerance = TOLERANCES["logits"] * float(np.abs(alone).max())
    if not worst <= tolerance:  # so that NaN is refused
        msg = (
            f"films in a batch get logits that are off by {worst:.3g} from those of each alone, at most "
            f"{tolerance:.3g} is accepted; export the network in eval mode, with a dynamic first axis"
        )
        raise BundleError(msg)


def _logits(run: Run, films: NDArray[np.float32], targets: NDArray[np.int64], batch: int) -> NDArray[np.float32]:
    try:
        return run_in_batches(run, films, targets, batch)["logits"]
    except (InferenceError, ValueError) as error:  # ValueError: outputs of a fixed size do not fit together
        msg = (
            f"the graph does not run on batches of {batch} films: {first_line(error)}; export it with a dynamic first "
            "axis"
        )
        raise BundleError(msg) from error
