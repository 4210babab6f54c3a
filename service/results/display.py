"""How a presentation state displays its film: the area, the rotation, and where text may stand on it.

Source: DICOM PS3.3 C.10.4 (Displayed Area), C.10.5 (Graphic Annotation), C.10.6 (Spatial Transformation).
"""

import textwrap
from fractions import Fraction
from typing import Final

from highdicom.pr import AnnotationUnitsValues, TextJustificationValues, TextObject
from pydicom.dataset import Dataset

from imaging.dicom.attributes import pixel_aspect
from imaging.radiograph import Turn

LETTER_HEIGHT: Final = 0.022
"""Of the displayed area's height, at which a caption is planned; each viewer chooses its own letters."""
LETTER_WIDTH: Final = 0.6 * LETTER_HEIGHT
LINE_HEIGHT: Final = 1.4 * LETTER_HEIGHT
MARGIN: Final = 0.02
"""Of the displayed area's sides, between its edges and a caption."""
LONGEST_LINE: Final = 60
SHORTEST_LINE: Final = 12
"""Letters of a line: on a film that is narrower a viewer has to make the letters smaller."""
_LARGEST_TERM: Final = 1000  # of a ratio, in whole numbers


def displayed_width(source: Dataset, rows: int, columns: int, turn: Turn) -> float:
    """Width of the displayed film divided by its height."""
    width = columns / (rows * pixel_aspect(source))
    return 1 / width if turn.transposed else width


def caption(text: str, width: float) -> TextObject:
    """Text in lines, in a box at the foot of the displayed area, whatever is displayed and however it is turned.

    The box is given in fractions of the displayed area: whoever shows another area, or turns it, moves the box too.

    Args:
        text: as one line.
        width: `displayed_width`.
    """
    letters = int((1 - 2 * MARGIN) * width / LETTER_WIDTH)
    lines = textwrap.wrap(text, max(SHORTEST_LINE, min(LONGEST_LINE, letters)))
    top = max(MARGIN, 1 - MARGIN - len(lines) * LINE_HEIGHT)
    return TextObject(
        "\r\n".join(lines),
        units=AnnotationUnitsValues.DISPLAY,
        bounding_box=(MARGIN, top, 1 - MARGIN, 1 - MARGIN),
        text_justification=TextJustificationValues.LEFT,
    )


def display_upright(state: Dataset, source: Dataset, rows: int, columns: int, turn: Turn) -> None:
    """Show the whole film upright, with its pixels as long and as wide as they are.

    Args:
        state: which has the Displayed Area Module.
        source: the film.
        rows: of the film, as it was sent.
        columns: of the film, as it was sent.
        turn: what puts it upright.
    """
    ratio = Fraction(pixel_aspect(source)).limit_denominator(_LARGEST_TERM)
    first, last = _corners(rows, columns, turn)
    for area in state.DisplayedAreaSelectionSequence:
        area.PresentationPixelAspectRatio = [ratio.numerator, ratio.denominator]
        area.DisplayedAreaTopLeftHandCorner = first
        area.DisplayedAreaBottomRightHandCorner = last
    if turn.changes:
        state.ImageRotation, state.ImageHorizontalFlip = rotation(turn)


def rotation(turn: Turn) -> tuple[int, str]:
    """Degrees clockwise, and whether the film is mirrored left to right after that: Y or N."""
    quarter = (90, 270)[turn.up_down] if turn.transposed else (0, 180)[turn.up_down]
    mirrored = turn.left_right != turn.up_down
    return quarter, "Y" if mirrored != turn.transposed else "N"


def _corners(rows: int, columns: int, turn: Turn) -> tuple[list[int], list[int]]:
    """Column and row, from 1, of the pixels that are displayed at the top left and at the bottom right.

    Both are counted on the film as it was sent, and displayed where the turn takes them.
    """
    left_right, up_down = turn.left_right, turn.up_down
    if turn.transposed:  # what is mirrored left to right after transposing were rows
        left_right, up_down = up_down, left_right
    across, down = ([1, columns], [1, rows])
    first = [across[left_right], down[up_down]]
    last = [across[not left_right], down[not up_down]]
    return first, last
