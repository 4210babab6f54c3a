"""How a film lies, by its PatientOrientation: what puts it upright, and whether it is a frontal film at all.

Source: DICOM PS3.3 C.7.6.1.1.1: the directions of the rows, to the right, and of the columns, downwards, as letters
of A, P, R, L, H and F, the main one first. A frontal film is read with the rows towards L and the columns towards F.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from imaging.radiograph import UPRIGHT, Turn

_SIDES = "LR"
_ENDS = "HF"
_DEPTHS = "AP"


@dataclass(frozen=True, slots=True)
class Hanging:
    """What PatientOrientation states."""

    turn: Turn = UPRIGHT
    lateral: bool = False
    """One side of the picture is the front or the back of the patient."""
    readable: bool = True


def hanging_of(orientation: Sequence[str]) -> Hanging:
    """Read the two directions; none state nothing."""
    values = [value.strip().upper() for value in orientation]
    if not any(values):
        return Hanging()
    if len(values) != 2 or not all(values) or not set("".join(values)) <= set(_SIDES + _ENDS + _DEPTHS):  # noqa: PLR2004 a pair
        return Hanging(readable=False)
    right, down = (value[0] for value in values)
    if right in _SIDES and down in _ENDS:
        return Hanging(Turn(left_right=right == "R", up_down=down == "H"))
    if right in _ENDS and down in _SIDES:
        return Hanging(Turn(transposed=True, left_right=down == "R", up_down=right == "H"))
    is_lateral = len({right, down} & set(_DEPTHS)) == 1 and bool({right, down} & set(_ENDS))
    return Hanging(lateral=is_lateral, readable=is_lateral)
