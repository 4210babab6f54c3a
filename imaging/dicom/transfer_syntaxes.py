"""The transfer syntaxes that are decoded: one table, which `GET /capabilities` publishes.

Source: DICOM PS3.5 A and 10.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydicom import uid


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How a data set and its pixels are written."""

    implicit_vr: bool = False
    little_endian: bool = True
    codec: Literal["gdcm", "pyjpegls", "pylibjpeg", "run_lengths"] | None = None
    """The plug-in of pydicom that decodes a frame, or `imaging.dicom.run_lengths`; None: not compressed."""
    seconds_per_megapixel: float = 0.3
    """Several times what a codec takes for noise, which compresses worst; what takes longer is taken for hostile."""
    lossless: bool = True
    """Whether the syntax itself promises the stored values; a lossy one may hold them nonetheless."""


TRANSFER_SYNTAXES: Mapping[str, TransferSyntax] = MappingProxyType(
    {
        uid.ImplicitVRLittleEndian: TransferSyntax(implicit_vr=True),
        uid.ExplicitVRLittleEndian: TransferSyntax(),
        uid.ExplicitVRBigEndian: TransferSyntax(little_endian=False),
        uid.RLELossless: TransferSyntax(codec="run_lengths"),
        uid.JPEGBaseline8Bit: TransferSyntax(codec="gdcm", lossless=False),
        uid.JPEGExtended12Bit: TransferSyntax(codec="gdcm", lossless=False),
        uid.JPEGLossless: TransferSyntax(codec="gdcm"),
        uid.JPEGLosslessSV1: TransferSyntax(codec="gdcm"),
        uid.JPEGLSLossless: TransferSyntax(codec="pyjpegls"),
        uid.JPEGLSNearLossless: TransferSyntax(codec="pyjpegls", lossless=False),
        uid.JPEG2000Lossless: TransferSyntax(codec="pylibjpeg", seconds_per_megapixel=2),
        uid.JPEG2000: TransferSyntax(codec="pylibjpeg", seconds_per_megapixel=2, lossless=False),
        uid.HTJ2KLossless: TransferSyntax(codec="pylibjpeg", seconds_per_megapixel=2),
        uid.HTJ2KLosslessRPCL: TransferSyntax(codec="pylibjpeg", seconds_per_megapixel=2),
        uid.HTJ2K: TransferSyntax(codec="pylibjpeg", seconds_per_megapixel=2, lossless=False),
    }
)
"""Every transfer syntax that is decoded; any other is refused before its data set is touched.

Deflated Explicit VR Little Endian stays out: 1 MB of it became 2.1 GB.
"""


def name_of(transfer_syntax: str) -> str:
    """The name in the standard; never text that a sender chose."""
    registered = uid.UID(transfer_syntax)
    return registered.name if registered.type == "Transfer Syntax" else "an unknown transfer syntax"
