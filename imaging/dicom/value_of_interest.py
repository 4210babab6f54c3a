"""The value of interest: the first table or window of a film that can be applied, and what was odd about the others.

Source: DICOM PS3.3 C.11.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from pydicom.dataset import Dataset

from imaging.dicom.attributes import items, readable_numbers, text
from imaging.dicom.lookup_tables import Values, is_empty, look_up
from schemas.errors import InvalidImageError

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True)
class Interest:
    """How bright each value is."""

    brightness: Values | None
    """In [0, 1]; None where the film has neither a table nor a window that can be applied: its whole range is shown."""
    warnings: tuple[str, ...]


def value_of_interest(dataset: Dataset, values: Values, *, is_signed: bool) -> Interest:
    """Apply the first usable table or window.

    A table goes before a window: where a vendor writes both, the window is the straight line that approximates the
    table. What cannot be applied is passed over with the warning `voi_unusable`.

    Args:
        dataset: holds the attributes of the VOI LUT module.
        values: modality values.
        is_signed: whether a modality value may be negative.

    Raises:
        InvalidImageError: a table contradicts its descriptor, or the function is unknown, and nothing else is usable.
    """
    tables, faults = _tables(dataset)
    windows = _windows(dataset)
    function = text(dataset, "VOILUTFunction") or "LINEAR"
    left = len(tables) + len(windows)
    for interest in chain(
        _by_tables(tables, values, faults, is_signed=is_signed), _by_windows(windows, function, values, faults)
    ):
        left -= 1
        if interest is None:
            continue
        is_first = left == len(tables) + len(windows) - 1 and not faults
        several = ("multiple_windows",) if left else ()
        unusable = () if is_first else ("voi_unusable",)
        return Interest(interest.brightness, (*several, *unusable, *interest.warnings))
    if faults:
        raise faults[0]
    if narrow := _narrow(windows, function):
        return Interest(_window(values, *narrow, "LINEAR_EXACT"), ("voi_unusable",))
    return Interest(None, ("voi_unusable",) if tables or windows else ())


def usable_window(dataset: Dataset) -> tuple[float, float, str] | None:
    """Center, width and function of the window that is applied; None where there is none."""
    function = text(dataset, "VOILUTFunction") or "LINEAR"
    windows = _windows(dataset)
    for window in windows:
        if window and _is_usable(window[1], function):
            return *window, function
    narrow = _narrow(windows, function)
    return (*narrow, "LINEAR_EXACT") if narrow else None


def _narrow(windows: list[tuple[float, float] | None], function: str) -> tuple[float, float] | None:
    """A window that LINEAR cannot have and LINEAR_EXACT can: what writers of widths below 1 mean (C.11.2.1.3.2)."""
    if function != "LINEAR":
        return None
    return next((window for window in windows if window and 0 < window[1] < 1), None)


def _tables(dataset: Dataset) -> tuple[tuple[Dataset, ...], list[InvalidImageError]]:
    try:
        return items(dataset, "VOILUTSequence"), []
    except InvalidImageError as error:
        return (), [error]


def _windows(dataset: Dataset) -> list[tuple[float, float] | None]:
    """Center and width of each window; None where one of them is missing or not a finite number."""
    centers = readable_numbers(dataset, "WindowCenter")
    widths = readable_numbers(dataset, "WindowWidth")
    if not centers or not widths:
        return [None] if centers or widths else []
    pairs = zip(centers, widths, strict=False)
    return [None if center is None or width is None else (center, width) for center, width in pairs]


def _by_tables(
    tables: tuple[Dataset, ...], values: Values, faults: list[InvalidImageError], *, is_signed: bool
) -> Iterator[Interest | None]:
    """The brightness by each table, None for one that cannot be applied; `faults` collects why."""
    for item in tables:
        try:
            shown = look_up(item, values, is_signed=is_signed)
        except InvalidImageError as error:
            if not is_empty(item):
                faults.append(error)
            yield None
        else:
            yield Interest(shown.values / shown.full_scale, shown.warnings)


def _by_windows(
    windows: list[tuple[float, float] | None], function: str, values: Values, faults: list[InvalidImageError]
) -> Iterator[Interest | None]:
    """The brightness by each window, None for one that cannot be applied; `faults` collects why."""
    if windows and function not in _FUNCTIONS:
        msg = f"VOILUTFunction is not one of {', '.join(_FUNCTIONS)}; export the film again with one of them"
        faults.append(InvalidImageError(msg))
    for window in windows:
        if window and _is_usable(window[1], function):
            yield Interest(_window(values, *window, function), ())
        else:
            yield None


def _is_usable(width: float, function: str) -> bool:
    return width >= 1 if function == "LINEAR" else width > 0 and function in _FUNCTIONS


def _window(values: Values, center: float, width: float, function: str) -> Values:
    """Brightness in [0, 1].

    Source: PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT).
    """
    if function == "LINEAR" and width == 1:
        return (values > center - 0.5).astype(np.float64)
    if function == "LINEAR":
        return ((values - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1)
    if function == "LINEAR_EXACT":
        return ((values - center) / width + 0.5).clip(0, 1)
    # SIGMOID: 1 / (1 + exp(-4 (x - c) / w)), in the form that cannot overflow
    return 0.5 * (1 + np.tanh(2 * (values - center) / width))
