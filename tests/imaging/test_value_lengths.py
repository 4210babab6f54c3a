"""Rules of the length of a value: it is bounded before it is converted."""

import contextlib
import time

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imaging.decode import decode
from imaging.dicom.dataset import read_elements
from imaging.limits import DecodeLimits
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from tests.imaging.files import dicom_bytes, dicom_dataset

FILM = phantom(64, 48, seed=2)
MANY = b"1\\" * 2_000_000
TEXTS = ("RescaleSlope", "WindowCenter", "NumberOfFrames", "StudyInstanceUID", "PatientName", "SpecificCharacterSet")


def film_with(keyword: str, value: bytes, *, inside: str | None = None, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A film whose element holds these bytes, at the top level or in an item; UN states lengths over 64 kB."""
    dataset = dicom_dataset(FILM)
    holder = dataset
    if inside is not None:
        holder = Dataset()
        setattr(dataset, inside, [holder])
    # pydicom would read the character set while it writes, so the film is written with the tag after it.
    holder.add_new(0x00080006 if keyword == "SpecificCharacterSet" else keyword, "UN", value)
    return dicom_bytes(dataset, syntax).replace(b"\x08\0\x06\0", b"\x08\0\x05\0", 1)


def cpu_s(content: bytes) -> float:
    """Seconds until it is refused."""
    start = time.thread_time()
    with pytest.raises(InvalidImageError) as refusal:
        decode(content, declared_type=None, limits=DecodeLimits(), min_side=64)
    assert "bytes, and at most" in str(refusal.value)
    return time.thread_time() - start


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("keyword", TEXTS)
def test_millions_of_values_are_refused_at_once_by_the_name_of_the_element(keyword, syntax) -> None:
    content = film_with(keyword, MANY, syntax=syntax)

    assert cpu_s(content) < 1
    with pytest.raises(InvalidImageError, match=rf"{keyword} \(\w+,\w+\) holds 4000000 bytes, and at most 16384"):
        read_elements(content, DecodeLimits(), [Tag("PixelData")])


@pytest.mark.parametrize(
    ("keyword", "inside"),
    [
        ("LUTDescriptor", "VOILUTSequence"),
        ("LUTExplanation", "VOILUTSequence"),
        ("LUTDescriptor", "ModalityLUTSequence"),
        ("SpecificCharacterSet", "VOILUTSequence"),
    ],
)
def test_values_in_the_sequences_of_lookup_tables_are_bounded_too(keyword, inside) -> None:
    for size in (300_000, 4_000_000):
        content = film_with(keyword, MANY[:size], inside=inside)
        start = time.thread_time()
        with contextlib.suppress(InvalidImageError):
            decode(content, declared_type=None, limits=DecodeLimits(), min_side=64)
        assert time.thread_time() - start < 1, size


def test_what_a_film_may_hold_is_read() -> None:
    content = film_with("WindowCenter", b"128\\" * 4000)

    assert decode(content, declared_type=None, limits=DecodeLimits(), min_side=64).rows == 64
