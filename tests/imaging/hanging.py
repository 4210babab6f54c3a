"""A frame that neither GDCM nor CharLS 2.4.2 ever finishes."""

import base64
import struct
import zlib

import numpy as np
from pydicom import uid
from pydicom.encaps import encapsulate

from tests.imaging.compressed import encapsulated_film

ROWS, COLUMNS = 2000, 2000

# What follows the scan header of test/data/fuzzy-input-bad-run-mode-golomb-code.jls of CharLS (BSD-3-Clause).
_SCAN = zlib.decompress(
    base64.b85decode(
        b"c-qUpP+&LX;Y%XG>zBlV@Ru*YeECuh0sE^lL3VXD!~Ze{F!&Fl7+4sLWuQQUfq{_$1{@eTV9b>aC;(;x3@{=|34keE5EE*e5(6Rd"
        b"A8H?_OQ0s3ap2NPl1ms6K4O5#GVtSf86zu7K$&0-D9rF0@GwT#jXTsCXd3F&Ngk?na48w-13AKpwiYSajnF*90kafN6HH7bD#w-f"
        b"i1j_Hks>H=XTa-rC?Mz%Dn}pOoXc|;zuy>gXCY>`Mfizk(aOL;rFa@Ghlg7^JX#=*7Kj5<AmUA6C=M8H*U-9MGa3)Wv3&{abG5dB"
        b"$S+`U6#zVq9bW"
    )
)


def endless_jpeg_ls() -> bytes:
    """A near-lossless frame of 10 bits, NEAR 255. Source: ISO 14495-1 C.2.2, C.2.3."""
    header = b"\xff\xf7" + struct.pack(">HBHHB", 11, 10, ROWS, COLUMNS, 1) + b"\1\x11\0"
    return b"\xff\xd8" + header + b"\xff\xda\0\x08\1\1\0\xff\0\0" + _SCAN


def endless_film() -> bytes:
    """A DICOM film of that frame."""
    like = np.zeros((1, 1), np.uint16)
    frames = encapsulate([endless_jpeg_ls()])
    return encapsulated_film(frames, uid.JPEGLSNearLossless, like, bits_stored=10, Rows=ROWS, Columns=COLUMNS)
