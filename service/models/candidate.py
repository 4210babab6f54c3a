"""What a bundle must also satisfy before it may replace one that serves."""

import time
from typing import Final

import numpy as np

from bundle.versions import parse_version
from schemas.errors import BundleError
from service.models.loading import LoadedBundle
from service.models.registry import BundleAddress

_TIMED_RUNS: Final = 5


def check_classes(candidate: LoadedBundle, current: LoadedBundle) -> None:
    """Callers that were written for these classes must not get others because somebody published a bundle.

    Raises:
        BundleError: the classes differ.
    """
    classes = candidate.manifest.classes
    expected = current.manifest.classes
    if classes != expected:
        msg = (
            f"the bundle answers {', '.join(classes)} and the one that serves {', '.join(expected)}; "
            "to change the classes, activate it by its name or restart the service"
        )
        raise BundleError(msg)


def check_version(address: BundleAddress, least: str | None) -> None:
    """A signature never ends: whoever can write the directory could bring back a version that was mended since.

    Raises:
        BundleError: the version is below `least`.
    """
    if least is not None and parse_version(address.version) < parse_version(least):
        msg = f"{address} is older than the least version, {least}; publish a newer one, or lower CXR_LEAST_VERSION"
        raise BundleError(msg)


def check_speed(candidate: LoadedBundle, current: LoadedBundle, max_slowdown: float) -> None:
    """Compare the two networks run by run, so that what else the machine does weighs on both.

    Raises:
        BundleError: the candidate takes more than `max_slowdown` times as long.
        InferenceError: a network fails.
    """
    times: list[tuple[float, float]] = [(_seconds(candidate), _seconds(current)) for _ in range(_TIMED_RUNS)]
    # What else the machine does can only add to the best time, and films that are answered meanwhile go first.
    new, old = (min(column) for column in zip(*times, strict=True))
    if new > max_slowdown * old:
        msg = (
            f"the network takes {new * 1e3:.1f} ms a film, {new / old:.1f} times as long as the one that serves; "
            f"at most {max_slowdown:g} times is accepted (CXR_MAX_SLOWDOWN)"
        )
        raise BundleError(msg)


def _seconds(loaded: LoadedBundle) -> float:
    side = loaded.manifest.preprocess.size
    start = time.perf_counter()
    loaded.engine.run(np.zeros((1, 1, side, side), np.float32), None)
    return time.perf_counter() - start
