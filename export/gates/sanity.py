"""The sanity gate: heat maps are shipped only if they depend on what the network has learned."""

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SanityError
from schemas.model.looking import MapSanity
from trainer.looking.sanity import DECIDING, LIMIT, map_sanity
from trainer.networks.gradcam import Method
from trainer.networks.inference import outputs
from trainer.networks.network import Network

FILMS = 16
"""Films of different patients; of a small network the check takes seconds, of VGG minutes."""


def check_sanity(
    network: Network, films: NDArray[np.float32], patients: NDArray[np.str_], method: Method = "gradcam"
) -> MapSanity | None:
    """Randomise the network from its last layer down, and compare the maps of the classes that it called.

    Args:
        network: on the CPU; left in eval mode.
        films: validation films [V, 1, S, S] in [0, 1].
        patients: [V].
        method: of the maps.

    Returns:
        The figures; None where no film's map has heat.

    Raises:
        SanityError: the maps hardly change when the last quarter of the layers is random.
    """
    first = np.sort(np.unique(patients, return_index=True)[1])
    chosen = first[np.unique(np.linspace(0, len(first) - 1, min(len(first), FILMS)).round().astype(int))]
    called = outputs(network, films[chosen])[0].argmax(1).numpy()
    found = map_sanity(network, films[chosen], called, method=method)
    if found is None:
        return None
    decisive = next(row for row in found.rows if row.layers == DECIDING)
    if decisive.rank_correlation.value > LIMIT:
        msg = (
            f"the {method} maps of {found.films} films correlate {decisive.rank_correlation} with those of the network "
            f"whose last {decisive.count} layers are random, at most {LIMIT} is accepted: they show the film, not the "
            "answer; train the network longer, or explain another layer (`cam_layer` of its row in "
            "trainer/networks/architectures.py)"
        )
        raise SanityError(msg)
    return found
