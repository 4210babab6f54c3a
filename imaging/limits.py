"""Limits of one file, and the boundary around the libraries that read it: bytes from outside are hostile."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from imaging.memory.budget import Reserve, unlimited
from schemas.errors import CxrError, ImageTooLargeError, InvalidImageError, NotARadiographError


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """How large and how intricate a file may be.

    `max_pixels` counts rows x columns x frames: twice the largest flat panel (43 x 43 cm at 100 µm).
    `max_side` and `max_aspect` bound what a side costs by itself: 40,000,000 lines of one pixel took 30 s and 760 MB.
    The longest films, of whole legs and spines, are stitched of three panels: 13,000 lines.
    `max_reads` bounds the parts of a file: 20 MB of empty DICOM items cost 28 s and 1.3 GB, 20 MB of
    empty JPEG segments or PNG chunks 3 s; a film needs a few hundred reads.
    `max_jpeg_scans` bounds progressive passes: each costs 12 ms at 40 megapixels and may be 61 bytes
    long; encoders write about ten.
    `reserve` is asked for the memory of a film before it is decoded.
    """

    max_pixels: int = 40_000_000
    max_side: int = 20_000
    max_aspect: int = 100
    max_reads: int = 200_000
    max_jpeg_scans: int = 100
    reserve: Reserve = unlimited

    def check_size(self, rows: int, columns: int, frames: int = 1) -> None:
        """Refuse what would need too much memory, before any pixel is decoded.

        Raises:
            InvalidImageError: a side or the number of frames is not positive.
            ImageTooLargeError: rows x columns x frames is over `max_pixels`, or a side over `max_side`.
            NotARadiographError: one side is over `max_aspect` times the other.
        """
        if min(rows, columns, frames) < 1:
            msg = f"the file states {rows} x {columns} pixels in {frames} frames; each must be at least 1"
            raise InvalidImageError(msg)
        if rows * columns * frames > self.max_pixels:
            msg = (
                f"the film has {rows} x {columns} pixels in {frames} frames; "
                f"at most {self.max_pixels} are accepted: send one smaller frame"
            )
            raise ImageTooLargeError(msg)
        shorter, longer = sorted((rows, columns))
        if longer > self.max_side:
            msg = f"the film has {rows} x {columns} pixels, and a side at most {self.max_side}; send it smaller"
            raise ImageTooLargeError(msg)
        if longer > self.max_aspect * shorter:
            msg = (
                f"the film has {rows} x {columns} pixels, one side over {self.max_aspect} times the other; "
                "send a projection radiograph"
            )
            raise NotARadiographError(msg)


class BoundedReader(io.BytesIO):
    """Bytes in memory with a limited number of reads."""

    def __init__(self, data: bytes, max_reads: int) -> None:
        super().__init__(data)
        self.content = memoryview(data)
        """All of them, wherever the reading stands."""
        self._reads_left = max_reads

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.BytesIO` does.

        Raises:
            ImageTooLargeError: the file consists of more parts than the limit allows.
        """
        self._reads_left -= 1
        if self._reads_left < 0:
            msg = "the file consists of too many parts for a film; export it again without its metadata"
            raise ImageTooLargeError(msg)
        return super().read(size)


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Turn whatever a parsing library raises about malformed bytes into `InvalidImageError`.

    Args:
        what: what is being read, for the message, e.g. "JPEG".
    """
    try:
        yield
    except CxrError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        msg = f"the {what} header states more than {Image.MAX_IMAGE_PIXELS} pixels; send a smaller film"
        raise ImageTooLargeError(msg) from error
    # The libraries document no closed set: 60,000 mutated files made Pillow and pydicom raise OSError, SyntaxError,
    # ValueError, TypeError, EOFError, NotImplementedError, RecursionError and struct.error. Only their calls stand
    # inside this boundary, so that a defect of ours is not mistaken for a broken file.
    except Exception as error:
        if isinstance(error.__context__, CxrError):  # pydicom takes any failure of a read for the end of the file
            raise error.__context__ from None
        msg = f"the {what} data is broken: {_reason(error)}; export the film again"
        raise InvalidImageError(msg) from error


# Of the libraries' own messages nothing is passed on: they may quote the file.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (UnidentifiedImageError, "its header cannot be read"),
    (MemoryError, "it needs more memory than there is"),
    (RecursionError, "its parts are nested too deeply"),
    (NotImplementedError, "it is written in a way that is not read here"),
    (EOFError, "it is truncated, or a length in it is wrong"),
    (IndexError, "it is truncated, or a length in it is wrong"),
    (struct.error, "it is truncated, or a length in it is wrong"),
    (UnicodeError, "text in it is not in the character set that it states"),
    (OSError, "its content is damaged"),
    (zlib.error, "its compressed content is damaged"),
    (SyntaxError, "its content is damaged"),
    (RuntimeError, "its decoder cannot read it"),
    (ValueError, "a value in it cannot be what it states"),
    (TypeError, "a value in it is of another kind than belongs there"),
    (AttributeError, "a part that belongs into it is missing"),
    (LookupError, "a part that belongs into it is missing"),
)


def _reason(error: Exception) -> str:
    """What is wrong, as far as the kind of the failure shows it."""
    if isinstance(error.__context__, RecursionError):  # pydicom takes this one too for the end of the file
        error = error.__context__
    if isinstance(error, OSError) and "truncated" in str(error):  # Pillow's word for it
        return "it is truncated, its end or end marker is missing"
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "its content is damaged")
