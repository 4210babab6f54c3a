"""What is known of each of several findings on one film, as a text of `split.csv` and as numbers to learn from."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.model.decision import NO_FINDING

Mark = Literal["present", "absent", "uncertain", "unknown"]
Marks = Mapping[str, Mark]
"""By the name of the finding."""

UNCERTAIN_SHARE: Final = 0.7
"""What is learned of a finding that a report calls possible: the middle of the range that did best for most findings.

Source: Pham et al., Neurocomputing 437 (2021) 186-194, arXiv:1911.06475 (label smoothing between .55 and .85).
"""

_SEPARATOR = "|"
_WRITTEN: Mapping[Mark, str] = MappingProxyType({"uncertain": " (uncertain)", "unknown": " (unknown)"})
_VALUES: Mapping[Mark, float] = MappingProxyType(
    {"present": 1.0, "absent": 0.0, "uncertain": UNCERTAIN_SHARE, "unknown": np.nan}
)


def text_of(marks: Marks) -> str:
    """The marks as one text: `Effusion|Mass (unknown)`; what is absent is left out, of nothing at all `no finding`."""
    parts = [f"{name}{_WRITTEN.get(mark, '')}" for name, mark in marks.items() if mark != "absent"]
    return _SEPARATOR.join(parts) or NO_FINDING


def mark_of(part: str) -> tuple[str, Mark]:
    """The name and the mark of one part of a text."""
    for mark, ending in _WRITTEN.items():
        if part.endswith(ending):
            return part.removesuffix(ending), mark
    return part, "present"


def marks_of(text: str, findings: Sequence[str]) -> dict[str, Mark]:
    """Read what `text_of` wrote; a finding that it does not name is absent.

    Raises:
        ValueError: it names another finding.
    """
    written = dict(mark_of(part) for part in text.split(_SEPARATOR) if text != NO_FINDING)
    if others := written.keys() - set(findings):
        msg = f"{sorted(others)} are none of the findings {', '.join(findings)}"
        raise ValueError(msg)
    return {name: written.get(name, "absent") for name in findings}


def learned(marks: Marks, findings: Sequence[str]) -> NDArray[np.float32]:
    """What is learned of each finding, [K]: 1 present, 0 absent, between them uncertain, NaN where nothing is known."""
    return np.array([_VALUES[marks[name]] for name in findings], np.float32)
