"""The elements of a DICOM file that are asked for, and no others: whose film it is, is not even parsed.

Source: DICOM PS3.10 7.1 (file meta information).
"""

from collections.abc import Callable, Sequence

from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, TransferSyntax, name_of
from imaging.libraries import configure_libraries
from imaging.limits import BoundedReader, DecodeLimits, parsing
from schemas.errors import InvalidImageError, UnsupportedImageError

_FILE_META_OFFSET = 132
_FILE_META_GROUP = 0x0002
_FILE_META_SYNTAX = TRANSFER_SYNTAXES[ExplicitVRLittleEndian]  # PS3.10 7.1, whatever the data set is written in


def read_elements(data: bytes, limits: DecodeLimits, tags: Sequence[BaseTag]) -> tuple[Dataset, str]:
    """Read the elements of these tags and the transfer syntax.

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
    configure_libraries()
    stream = BoundedReader(data, limits.max_reads)
    stream.seek(_FILE_META_OFFSET)
    with parsing("DICOM file meta information"):
        meta = _elements(
            stream, _FILE_META_SYNTAX, [Tag("TransferSyntaxUID")], lambda tag: tag >> 16 != _FILE_META_GROUP
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
    last = max(tags)
    with parsing("DICOM data set"):
        dataset = _elements(stream, TRANSFER_SYNTAXES[uid], tags, lambda tag: tag > last)
    return dataset, uid


def _elements(
    stream: BoundedReader, syntax: TransferSyntax, tags: Sequence[BaseTag], ends: Callable[[BaseTag], bool]
) -> Dataset:
    """The elements of these tags, from where the stream stands to the first tag that `ends`."""
    elements = data_element_generator(
        stream,
        is_implicit_VR=syntax.implicit_vr,
        is_little_endian=syntax.little_endian,
        stop_when=lambda tag, _vr, _length: ends(tag),
        specific_tags=list(tags),
    )
    return Dataset({element.tag: element for element in elements})
