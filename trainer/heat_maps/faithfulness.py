"""Whether a heat map marks what the network needs: pixels taken away or given in its order, against a random order."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.networks.inference import outputs
from trainer.networks.network import Network

STEPS = 8
_BLUR = 1 / 12  # of the side: the heart and the diaphragm stay, what is in the lungs goes

Curves = NDArray[np.float64]  # [N, STEPS + 1], probability of the explained class by share of pixels changed


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Probability of the explained class while pixels are given (insertion) and taken away (deletion)."""

    insertion: Curves
    """In the order of the map: rises at once where the map is right."""
    deletion: Curves
    """In the order of the map: falls at once where the map is right."""
    random_insertion: Curves
    random_deletion: Curves

    @property
    def gaps(self) -> NDArray[np.float64]:
        """How much further apart the map's two areas are than the random order's, [N] in [-2, 2]; 0: no better."""
        return area(self.insertion) - area(self.deletion) - area(self.random_insertion) + area(self.random_deletion)


@dataclass(frozen=True, slots=True)
class ExplainedNetwork:
    """A network whose probabilities the curves show."""

    network: Network
    """On any device."""
    probabilities_of: Callable[[NDArray[np.float32]], NDArray[np.float64]]
    """Makes logits [M, K] calibrated probabilities [M, K]."""

    def probability(self, films: NDArray[np.float32], target: int) -> NDArray[np.float64]:
        """The probability of a class for films [M, S, S], [M]."""
        logits, _ = outputs(self.network, films[:, None])
        return self.probabilities_of(logits.numpy())[:, target]


def insertion_deletion(
    explained: ExplainedNetwork,
    films: NDArray[np.float32],
    maps: NDArray[np.float32],
    targets: NDArray[np.int64],
    *,
    seed: int = 0,
) -> Faithfulness:
    """Give and take away the pixels of films in the order of their maps, and in that of random maps of as many cells.

    Pixels are given to a blurred film, and taken away to the film's mean gray; both orders share the ends. Random maps
    are enlarged like the real ones: the two orders differ in where they lead, not in how finely they cut the film up.
    Pixels without heat follow in the random order.

    Args:
        explained: the network.
        films: float32 [N, 1, S, S] in [0, 1].
        maps: [N, h, w], >= 0.
        targets: [N], the class that each map explains.
        seed: of the random maps.

    Source: Petsiuk, Das and Saenko, RISE, BMVC 2018, arXiv:1806.07421, section 4.1.
    """
    random = np.random.default_rng(seed)
    curves = np.stack(
        [
            _curves(explained, film[0], map_, random.random(map_.shape, np.float32), target)
            for film, map_, target in zip(films, maps, targets.tolist(), strict=True)
        ],
        axis=1,
    )
    return Faithfulness(*curves)


def _curves(
    explained: ExplainedNetwork,
    film: NDArray[np.float32],
    map_: NDArray[np.float32],
    random_map: NDArray[np.float32],
    target: int,
) -> Curves:
    """Insertion and deletion by the map, insertion and deletion by the random map, [4, STEPS + 1]."""
    blurred = cv2.GaussianBlur(film, (0, 0), _BLUR * len(film))
    gray = np.full_like(film, film.mean())
    images = [blurred, film, gray]  # the ends of the curves, which all orders share
    heat, chance = (_enlarged(values, film.shape) for values in (map_, random_map))
    for order in (_ranks(heat, chance), _ranks(chance, heat)):
        for before, after in ((blurred, film), (film, gray)):
            images += [np.where(order < step / STEPS, after, before) for step in range(1, STEPS)]
    probability = explained.probability(np.stack(images), target)
    ends = ((probability[0], probability[1]), (probability[1], probability[2])) * 2
    inner = probability[3:].reshape(4, -1)
    return np.array([[first, *middle, last] for (first, last), middle in zip(ends, inner, strict=True)])


def _ranks(heat: NDArray[np.float32], otherwise: NDArray[np.float32]) -> NDArray[np.float64]:
    """The place of each pixel in the order of the heat, in [0, 1): 0 is the hottest; equals go by the other map."""
    order = np.lexsort((-otherwise.ravel(), -heat.ravel()))
    ranks = np.empty(heat.size)
    ranks[order] = np.arange(heat.size) / heat.size
    return ranks.reshape(heat.shape)


def _enlarged(map_: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Cubic, without its swings below 0: where a map has no heat, no pixel comes before another."""
    return np.maximum(cv2.resize(map_, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), 0, dtype=np.float32)


def area(curves: Curves) -> NDArray[np.float64]:
    """The area under each curve, [N] in [0, 1]."""
    return np.asarray(np.trapezoid(curves, dx=1 / STEPS, axis=1))
