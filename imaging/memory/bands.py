"""A film band by band: what a conversion needs is a band's memory, whatever the size of the film."""

from collections.abc import Iterator

WHOLE_PIXELS = 1 << 24
"""Up to here, which is more than most flat panels have, a film is resized in one piece of 4 bytes a pixel."""
_PIXELS = 1 << 18
"""Of a band: 4 MB where a pixel takes 16 bytes, which is little and still costs no time."""


def bands(rows: int, columns: int, multiple: int = 1) -> Iterator[slice]:
    """The rows of a film from top to bottom, a few hundred thousand pixels at a time.

    Args:
        rows: of the film.
        columns: of the film.
        multiple: the height of each band but the last one is a multiple of it.
    """
    height = multiple * max(1, _PIXELS // (multiple * columns))
    for top in range(0, rows, height):
        yield slice(top, min(top + height, rows))
