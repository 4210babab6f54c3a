"""What a library's failure means to the sender."""

import struct
import zlib

import pytest
from PIL import UnidentifiedImageError

from imaging.limits import BoundedReader, DecodeLimits, parsing
from schemas.errors import ImageTooLargeError, InvalidImageError, NotARadiographError

FAILURES = [
    OSError("MARKER"),
    OSError("image file is truncated (7 bytes not processed)"),
    UnidentifiedImageError("MARKER"),
    SyntaxError("MARKER"),
    ValueError("MARKER"),
    TypeError("MARKER"),
    IndexError("MARKER"),
    KeyError("MARKER"),
    EOFError("MARKER"),
    AttributeError("MARKER"),
    NotImplementedError("MARKER"),
    RecursionError("MARKER"),
    RuntimeError("MARKER"),
    MemoryError("MARKER"),
    struct.error("MARKER"),
    zlib.error("MARKER"),
    ArithmeticError("MARKER"),
    AssertionError("MARKER"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_failure_is_named_by_its_reason_and_not_by_its_type_or_its_text(failure) -> None:
    with (
        pytest.raises(InvalidImageError, match=r"^the JPEG data is broken: [a-z ,]+; export the film again$"),
        parsing("JPEG"),
    ):
        raise failure


class Swallowing(BoundedReader):
    """Reads as pydicom's item reader does: whatever fails there, it takes for the end of the file."""

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size)
        except Exception:  # noqa: BLE001 that is the point
            msg = "No tag to read"
            raise OSError(msg)  # noqa: B904 pydicom does not chain either


def test_a_limit_that_a_library_took_for_another_failure_keeps_its_own_reason() -> None:
    with pytest.raises(ImageTooLargeError, match="too many parts"), parsing("DICOM data set"):
        Swallowing(b"", max_reads=0).read()


@pytest.mark.parametrize(("rows", "columns"), [(1, 40_000_000), (20_001, 300), (300, 20_001)])
def test_a_side_has_a_limit_of_its_own(rows, columns) -> None:
    with pytest.raises(ImageTooLargeError, match=f"{rows} x {columns} pixels, and a side at most 20000; send it"):
        DecodeLimits().check_size(rows, columns)

    DecodeLimits().check_size(20_000, 2_000)


@pytest.mark.parametrize(("rows", "columns"), [(1, 101), (20_000, 199)])
def test_a_stripe_is_no_radiograph(rows, columns) -> None:
    with pytest.raises(NotARadiographError, match=f"{rows} x {columns} pixels, one side over 100 times the other"):
        DecodeLimits().check_size(rows, columns)

    DecodeLimits().check_size(1, 100)


def read_without_end() -> None:
    try:
        read_without_end()
    except RecursionError:
        msg = "No tag to read"
        raise OSError(msg)  # noqa: B904 pydicom does not chain either


def test_nesting_that_a_library_took_for_the_end_of_the_file_keeps_its_own_reason() -> None:
    with pytest.raises(InvalidImageError, match="its parts are nested too deeply"), parsing("DICOM data set"):
        read_without_end()
