"""The elements of a DICOM file that are asked for, and no others: who a film is of is not even parsed.

Source: DICOM PS3.10 7.1 (file meta information).
"""

from collections.abc import Sequence

import pydicom.config
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, name_of
from imaging.limits import BoundedReader, DecodeLimits, parsing
from schemas.errors import InvalidImageError, UnsupportedImageError

# The few values that are read are checked here. pydicom's own checks refuse films over a decimal of 17
# characters, and warn with the value.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

_FILE_META_OFFSET = 132
_FILE_META_GROUP = 0x0002


def read_elements(data: bytes, limits: DecodeLimits, tags: Sequence[BaseTag]) -> tuple[Dataset, str]:
    """The elements of these tags and the transfer syntax, after the file meta information has said that they can be read.

    `pydicom.dcmread` would inflate a deflated data set before its syntax can be refused, and
    reading the meta information twice would let two readers disagree about it. What follows the
    last of `tags` is not read.

    Args:
        data: a whole DICOM file, its preamble included.
        limits: of how many parts it may consist.
        tags: of the top level.

    Raises:
        InvalidImageError: the file is broken, or states no transfer syntax.
        UnsupportedImageError: it is written in a transfer syntax that is not read here.
        ImageTooLargeError: it consists of too many parts.
    """
    last = max(tags)
    stream = BoundedReader(data, limits.max_reads)
    stream.seek(_FILE_META_OFFSET)
    with parsing("DICOM file meta information"):
        meta = Dataset(
            {
                element.tag: element
                for element in data_element_generator(
                    stream,
                    is_implicit_VR=False,
                    is_little_endian=True,
                    stop_when=lambda tag, _vr, _length: tag >> 16 != _FILE_META_GROUP,
                    specific_tags=[Tag("TransferSyntaxUID")],
                )
            }
        )
        uid = UID(meta.get("TransferSyntaxUID") or "")
        name = name_of(uid)
    if not uid:
        msg = "the DICOM file meta information states no TransferSyntaxUID; export the film again"
        raise InvalidImageError(msg)
    if uid not in TRANSFER_SYNTAXES:
        msg = (
            f"the DICOM file is written in {name}; "
            "send it uncompressed or as RLE, JPEG, JPEG-LS, JPEG 2000 or HTJ2K, and not deflated"
        )
        raise UnsupportedImageError(msg)
    syntax = TRANSFER_SYNTAXES[uid]
    with parsing("DICOM data set"):
        dataset = Dataset(
            {
                element.tag: element
                for element in data_element_generator(
                    stream,
                    is_implicit_VR=syntax.implicit_vr,
                    is_little_endian=syntax.little_endian,
                    stop_when=lambda tag, _vr, _length: tag > last,
                    specific_tags=list(tags),
                )
            }
        )
    return dataset, uid
