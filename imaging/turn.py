"""What puts a film upright, with the patient's left on the right of the picture and the feet at its foot; and back."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the eight ways in which a rectangle can be laid on another: transposed first, then mirrored."""

    transposed: bool = False
    """Rows become columns."""
    left_right: bool = False
    """Mirrored, after that."""
    up_down: bool = False

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self != UPRIGHT

    def upright(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The film put upright: a view of its pixels, [H, W] or [W, H]; nothing is copied."""
        return self._mirrored(pixels.T if self.transposed else pixels)

    def as_sent(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """What lies on the upright film, e.g. a heat map, as it lies on the film that was sent; a view."""
        mirrored = self._mirrored(pixels)
        return mirrored.T if self.transposed else mirrored

    def sides(self, rows: int, columns: int) -> tuple[int, int]:
        """Rows and columns of the upright film, of those of the film that was sent, or the other way round."""
        return (columns, rows) if self.transposed else (rows, columns)

    def aspect(self, pixel_aspect: float) -> float:
        """Height of an upright pixel divided by its width, of that of a pixel that was sent."""
        return 1 / pixel_aspect if self.transposed else pixel_aspect

    def _mirrored(self, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]


UPRIGHT = Turn()
"""Of a film that lies as it is read."""
