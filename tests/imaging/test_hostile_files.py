"""Whatever bytes arrive, only the errors of the image family leave `decode`."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imaging.decode import DecodeLimits, decode
from imaging.phantom import phantom
from schemas.errors import ImageTooLargeError, InvalidImageError, NotARadiographError, UnsupportedImageError
from tests.imaging.files import GRAY, dicom_bytes, dicom_dataset, lookup_table, pillow, png_of

ALLOWED = (InvalidImageError, UnsupportedImageError, ImageTooLargeError, NotARadiographError)
LIMITS = DecodeLimits(max_pixels=1_000_000)
FILM = phantom(40, 32, seed=1)
DEEP = FILM.astype(np.uint16) << 4


def with_exif(image: Image.Image, image_format: str, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "description"
    return pillow(image, image_format, exif=exif, **options)


WHOLE = [
    with_exif(Image.fromarray(FILM), "JPEG"),
    with_exif(Image.fromarray(FILM).convert("RGB"), "JPEG", progressive=True, icc_profile=b"profile" * 9),
    with_exif(Image.fromarray(FILM).convert("CMYK"), "JPEG"),
    with_exif(Image.fromarray(FILM), "PNG"),
    with_exif(Image.fromarray(FILM).convert("P"), "PNG", transparency=3, pnginfo=None),
    with_exif(Image.fromarray(FILM).convert("RGBA"), "PNG"),
    png_of(DEEP, GRAY, interlaced=True),
    dicom_bytes(
        dicom_dataset(DEEP, bits_stored=12, WindowCenter=[2000, 9], WindowWidth=[3000, 9]), ImplicitVRLittleEndian
    ),
    dicom_bytes(
        dicom_dataset(DEEP, RescaleSlope=2, RescaleIntercept=-9, VOILUTSequence=lookup_table(0, 12, list(range(64)))),
        ExplicitVRLittleEndian,
    ),
    dicom_bytes(
        dicom_dataset(DEEP.astype(np.int16), ModalityLUTSequence=lookup_table(0, 16, [5, 9])), ExplicitVRBigEndian
    ),
    dicom_bytes(dicom_dataset(FILM, PhotometricInterpretation="MONOCHROME1", SpecificCharacterSet="ISO_IR 192")),
]

# Most of a file's meaning stands in its first bytes, so half of the changes go there.
POSITION = st.one_of(st.floats(0, 1), st.floats(0, 0.15))
CHANGE = st.one_of(
    st.tuples(st.just("flip"), POSITION, st.integers(1, 255)),
    st.tuples(
        st.just("set"), POSITION, st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff"])
    ),
    st.tuples(st.just("cut"), POSITION, st.integers(1, 64)),
    st.tuples(st.just("repeat"), POSITION, st.integers(1, 64)),
    st.tuples(st.just("insert"), POSITION, st.binary(min_size=1, max_size=16)),
    st.tuples(st.just("splice"), POSITION, st.sampled_from(WHOLE)),
    st.tuples(st.just("truncate"), POSITION, st.just(0)),
)


# (what follows the changed place, the argument, the share of the file before that place) to what follows then
EFFECTS = {
    "flip": lambda tail, mask, _: bytes(byte ^ mask for byte in tail[:1]) + tail[1:],
    "set": lambda tail, value, _: value + tail[len(value) :],
    "cut": lambda tail, length, _: tail[length:],
    "repeat": lambda tail, length, _: tail[:length] + tail,
    "insert": lambda tail, value, _: value + tail,
    "splice": lambda _, other, share: other[int(share * len(other)) :],
    "truncate": lambda *_: b"",
}


def changed(data: bytes, change: tuple[str, float, object]) -> bytes:
    kind, share, argument = change
    at = int(share * len(data))
    return data[:at] + EFFECTS[kind](data[at:], argument, share)


def try_to_decode(data: bytes) -> None:
    try:
        radiograph = decode(data, limits=LIMITS, min_side=4)
    except ALLOWED as error:
        said = str(error)
    else:
        said = "decoded"
        assert radiograph.pixels.ndim == 2
        assert radiograph.pixels.max() <= radiograph.largest_value
    assert 0 < len(said) < 400


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # as in service: see imaging/libraries.py
@settings(max_examples=1500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(whole=st.sampled_from(WHOLE), changes=st.lists(CHANGE, min_size=1, max_size=6))
@example(whole=WHOLE[0], changes=[])
def test_only_errors_of_the_image_family_leave_mutated_files(whole, changes) -> None:
    data = whole
    for change in changes:
        data = changed(data, change)
    try_to_decode(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=200, deadline=None, derandomize=True)
@given(signature=st.sampled_from([data[:140] for data in WHOLE]), rest=st.binary(max_size=400))
def test_only_errors_of_the_image_family_leave_random_bytes(signature, rest) -> None:
    try_to_decode(signature + rest)
    try_to_decode(signature[:8] + rest)
    try_to_decode(rest)


@pytest.mark.parametrize("whole", WHOLE)
def test_the_unchanged_files_decode(whole) -> None:
    assert decode(whole, limits=LIMITS).pixels.size == FILM.size
