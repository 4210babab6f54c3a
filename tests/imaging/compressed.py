"""Compressed films: an encoder for each transfer syntax, as libraries have them or small enough to stand here."""

import base64
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder

from tests.imaging.files import dicom_bytes, dicom_dataset

_HOLDER = encapsulate([b"pydicom refuses to write broken fragments"])  # so they take this one's place
Encoder = Callable[[NDArray[Any], int], bytes]


def compressed_film(
    stored: NDArray[Any], transfer_syntax: str, *, bits_stored: int | None = None, **attributes: Any
) -> bytes:
    """The DICOM file of a film [H, W], its pixels compressed."""
    bits = bits_stored or 8 * stored.itemsize
    frame = ENCODERS[transfer_syntax](stored, bits)
    return encapsulated_film(encapsulate([frame]), transfer_syntax, stored, bits_stored=bits, **attributes)


def encapsulated_film(fragments: bytes, transfer_syntax: str, like: NDArray[Any], **attributes: Any) -> bytes:
    """The DICOM file of a film with these fragments as Pixel Data, whatever they are."""
    dataset = dicom_dataset(like, **attributes)
    dataset.PixelData = _HOLDER
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dicom_bytes(dataset, transfer_syntax).replace(_HOLDER, fragments)


def by_gdcm(transfer_syntax: str, codec: Callable[[], Any] | None = None) -> Encoder:
    def encode(stored: NDArray[Any], bits: int) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source"
            target = Path(folder) / "target"
            source.write_bytes(dicom_bytes(dicom_dataset(stored, bits_stored=bits)))
            reader = gdcm.ImageReader()
            change = gdcm.ImageChangeTransferSyntax()
            writer = gdcm.ImageWriter()
            reader.SetFileName(str(source))
            assert reader.Read()
            change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(transfer_syntax))))
            chosen = codec and codec()
            if chosen:
                change.SetUserCodec(chosen)
            change.SetInput(reader.GetImage())
            assert change.Change()
            writer.SetFileName(str(target))
            writer.SetFile(reader.GetFile())
            writer.SetImage(change.GetOutput())
            assert writer.Write()
            encoded: bytes = pydicom.encaps.get_frame(pydicom.dcmread(target).PixelData, 0, number_of_frames=1)
            return encoded

    return encode


def _near_lossless() -> Any:
    codec = gdcm.JPEGLSCodec()
    codec.SetLossless(False)  # noqa: FBT003 GDCM takes no keywords
    codec.SetLossyError(2)
    return codec


def _irreversible() -> Any:
    codec = gdcm.JPEG2000Codec()
    codec.SetReversible(False)  # noqa: FBT003 GDCM takes no keywords
    codec.SetRate(0, 2)
    return codec


def run_lengths(stored: NDArray[Any], bits: int) -> bytes:
    encoded: bytes = RLELosslessEncoder.encode(
        stored.tobytes(),
        index=0,
        encoding_plugin="pydicom",
        rows=stored.shape[0],
        columns=stored.shape[1],
        number_of_frames=1,
        samples_per_pixel=1,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=8 * stored.itemsize,
        bits_stored=bits,
        pixel_representation=int(np.issubdtype(stored.dtype, np.signedinteger)),
    )
    return encoded


_SIDE = 8
_ANGLE = np.pi / 16 * np.outer(np.arange(_SIDE), 2 * np.arange(_SIDE) + 1)
_COSINES = np.cos(_ANGLE) * np.sqrt(np.where(np.arange(_SIDE) == 0, 1, 2) / _SIDE)[:, None]
# From the upper left corner along the anti-diagonals, turning at each edge.
_ZIGZAG = sorted(np.ndindex(_SIDE, _SIDE), key=lambda at: (sum(at), at[(sum(at) + 1) % 2]))


def extended_jpeg(stored: NDArray[Any], bits: int) -> bytes:
    """A sequential JPEG of 8 or 12 bits by quantisation steps of 1. Source: ISO 10918-1 (12 bits: process 4)."""
    precision = 8 if bits <= 8 else 12
    rows, columns = stored.shape
    padded = np.pad(stored.astype(float), ((0, -rows % _SIDE), (0, -columns % _SIDE)), mode="edge")
    body = "".join(_scan(padded - 2 ** (precision - 1)))
    body += "1" * (-len(body) % 8)
    entropy = int(body, 2).to_bytes(len(body) // 8, "big").replace(b"\xff", b"\xff\0")
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xDB, b"\0" + b"\1" * 64),
            _segment(0xC1, struct.pack(">BHHB", precision, rows, columns, 1) + b"\1\x11\0"),
            _segment(0xC4, b"\0" + _lengths(5, 16) + bytes(range(16))),
            _segment(
                0xC4, b"\x10" + _lengths(9, 240) + bytes(zeros << 4 | size for zeros in range(16) for size in range(15))
            ),
            _segment(0xDA, b"\1\1\0\0\x3f\0"),
            entropy,
            b"\xff\xd9",
        ]
    )


def _lengths(bits: int, symbols: int) -> bytes:
    """How many Huffman codes have 1 to 16 bits: all of them `bits`."""
    return bytes(symbols if length == bits else 0 for length in range(1, 17))


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def _scan(shifted: NDArray[np.float64]) -> list[str]:
    """Bits of all blocks: a DC symbol is its number in 5 bits; an AC symbol, zeros in front and size, in 9."""
    written = []
    last = 0
    for top in range(0, shifted.shape[0], _SIDE):
        for left in range(0, shifted.shape[1], _SIDE):
            block = _COSINES @ shifted[top : top + _SIDE, left : left + _SIDE] @ _COSINES.T
            values = [round(block[at]) for at in _ZIGZAG]
            difference = values[0] - last
            last = values[0]
            written.append(f"{abs(difference).bit_length():05b}" + _magnitude(difference))
            zeros = 0
            for value in values[1:]:
                if value == 0:
                    zeros += 1
                    continue
                written += [f"{15 * 15:09b}"] * (zeros // 16)
                written.append(f"{(zeros % 16) * 15 + abs(value).bit_length():09b}" + _magnitude(value))
                zeros = 0
            written += ["0" * 9] * (zeros > 0)
    return written


def _magnitude(value: int) -> str:
    size = abs(value).bit_length()
    return f"{value if value > 0 else value + 2**size - 1:0{size}b}" if size else ""


ENCODERS: Mapping[str, Encoder] = {
    uid.RLELossless: run_lengths,
    uid.JPEGBaseline8Bit: by_gdcm(uid.JPEGBaseline8Bit),
    uid.JPEGExtended12Bit: extended_jpeg,
    uid.JPEGLossless: by_gdcm(uid.JPEGLossless),
    uid.JPEGLosslessSV1: by_gdcm(uid.JPEGLosslessSV1),
    uid.JPEGLSLossless: by_gdcm(uid.JPEGLSLossless),
    uid.JPEGLSNearLossless: by_gdcm(uid.JPEGLSNearLossless, _near_lossless),
    uid.JPEG2000Lossless: by_gdcm(uid.JPEG2000Lossless),
    uid.JPEG2000: by_gdcm(uid.JPEG2000, _irreversible),
}

# No library here writes HTJ2K: the lowest of six resolutions of the first component of pydicom-data's
# HTJ2KLossless_08_RGB.dcm (MIT), with headers of its own. Its pixels are those that five steps of the 5/3 wavelet
# make of the whole picture's luminance.
HTJ2K_FRAME = base64.b64decode(
    b"/0//UQApQAAAAAAUAAAADwAAAAAAAAAAAAAAFAAAAA8AAAAAAAAAAAABBwEB/1AACAACAAAABf9SAAwAAAABAAAEBEAB/1wABCBY/5AACgAA"
    b"AAABDAAB/5PAC++gd+tdzURE/3/o+HjTLMvWtmvfKBHdkFASIgRCAgQUayzPK0iuQIEkAtmWRRCkgDjOTIAG86Zegi3LsiBIBJIxSYMhVBrA"
    b"ICgKP+KLoUAUsARUCEGAyUwdUA6s5XmlMb60W0H3vIt/V1DRScM6gU0XdIQIzpeY3ToGyahDRT4vF41Cvfyn3X2PZ3/YKDY0Bgc0AhkpTJPF"
    b"YKHgoABM5byfb+P5ZLK36yAAAJDxInTGACftnz/2377Z2rVwrwKuEHRL+s7LGIYF6lIgAADSAAAINB4BBKkAABY/r14IIIVnb11XV6VKgQaF"
    b"zhht1uA0ABZnzGzGxhUlWjG8BP/Z"
)
HTJ2K_SHAPE = (15, 20)
HTJ2K_PIXELS_SHA256 = "5cd1a76e33655c1c83ce04bb50515d6c01fcd51d5a2b491f0ef020725bb3b065"


def killers(film: NDArray[np.uint8]) -> list[tuple[str, str, bytes]]:
    """Name, transfer syntax and fragments of frames over which GDCM ends its process."""
    broken = [
        ("lossless without Huffman table", uid.JPEGLossless, b"\xff\xc4"),
        ("baseline without quantisation table", uid.JPEGBaseline8Bit, b"\xff\xdb"),
        ("extended without quantisation table", uid.JPEGExtended12Bit, b"\xff\xdb"),
    ]
    return [
        (name, syntax, encapsulate([ENCODERS[syntax](film, 8).replace(marker, b"\0" + marker[1:], 1)]))
        for name, syntax, marker in broken
    ]
