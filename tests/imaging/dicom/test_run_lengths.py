"""Rules of run lengths: DICOM PS3.5 annex G, and no work for what nobody asked for."""

import struct
import time

import numpy as np
import pytest

from imaging.dicom.pixel_data import ImagePixel
from imaging.dicom.run_lengths import unpack
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from tests.imaging.compressed import run_lengths


def module(rows, columns, *, samples=1, bits=8):
    return ImagePixel(rows, columns, samples, "MONOCHROME2", 0, bits, bits, bits - 1, signed=False)


def frame(*segments):
    offsets = [64 + sum(map(len, segments[:index])) for index in range(len(segments))]
    return struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


def test_the_three_kinds_of_codes_are_unpacked() -> None:
    segment = bytes([2, 10, 20, 30, 128, 255, 40, 129, 50])  # three literals, nothing, 2 x 40, 128 x 50

    assert unpack(frame(segment), module(1, 133)) == bytes([10, 20, 30, 40, 40]) + bytes([50]) * 128


@pytest.mark.parametrize("bits", [8, 16])
def test_what_another_encoder_packed_is_unpacked(bits) -> None:
    stored = phantom(64, 48, seed=2).astype(f"u{bits // 8}") * np.array(1 if bits == 8 else 250, f"u{bits // 8}")

    assert unpack(run_lengths(stored, bits), module(64, 48, bits=bits)) == stored.tobytes()


def test_colour_planes_follow_one_another() -> None:
    planes = (b"\x01ab", b"\x01cd", b"\x01ef")

    assert unpack(frame(*planes), module(1, 2, samples=3)) == b"abcdef"


@pytest.mark.parametrize("segment", [b"\x04abcdx", b"\x03abcd\x00x", b"\x03abcd\x00x\x80", b"\x02abc\xffd"])
def test_one_byte_more_than_the_film_has_is_left_out(segment) -> None:
    assert unpack(frame(segment), module(2, 2)) == b"abcd"


@pytest.mark.parametrize("padding", [b"", b"\0", bytes(9), b"\x80", b"\x80" * 1000, b"\x80\0"])
def test_zeros_and_codes_for_nothing_after_the_last_code_are_padding(padding) -> None:
    assert unpack(frame(b"\x01ab" + padding), module(1, 2)) == b"ab"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"", "has 0 bytes"),
        (frame(b"\x01ab", b"\x01ab"), "has 2 segments"),
        (frame(b"\x01ab"), "2 of 4 bytes"),
        (frame(b"\x03ab"), "2 of 4 bytes"),
        (frame(b"\x03abcd\x01xy"), "goes on"),
        (frame(b"\x05abcdxy"), "goes on"),
        (frame(b"\xfb" + b"a"), "goes on"),
        (frame(b"\xfd" + b"a" + b"\x81\1" * 1000), "goes on"),
    ],
)
def test_a_frame_of_another_size_is_invalid(broken, reason) -> None:
    with pytest.raises(InvalidImageError, match=reason):
        unpack(broken, module(2, 2))


@pytest.mark.parametrize("code", [b"\x81\1", b"\x80\x80"], ids=["runs", "nothing"])
def test_codes_beyond_the_film_cost_no_time(code) -> None:
    start = time.process_time()
    with pytest.raises(InvalidImageError):
        unpack(frame(code * 20_000_000), module(64, 48))

    assert time.process_time() - start < 1  # 40 MB of codes; all of them would take over ten seconds
