"""The elements of a DICOM file that are asked for, and no others: whose film it is, is not even parsed.

Source: DICOM PS3.10 7.1 (file meta information).
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import VR

from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, TransferSyntax, name_of
from imaging.libraries import configure_libraries
from imaging.limits import BoundedReader, DecodeLimits, parsing
from imaging.value_lengths import check_length
from schemas.errors import InvalidImageError, UnsupportedImageError

_FILE_META_OFFSET = 132
_FILE_META_GROUP = 0x0002
_FILE_META_SYNTAX = TRANSFER_SYNTAXES[ExplicitVRLittleEndian]  # PS3.10 7.1, whatever the data set is written in
_UNDEFINED_LENGTH = 0xFFFFFFFF
_DELIMITER_BYTES = 8
_LARGE_BYTES = 256 * 1024
"""Values from here on are not copied out of the file by pydicom: 10 MB of pixels took 7 ms, most of it page faults."""
_PIXEL_DATA = Tag("PixelData")
_VRS = frozenset(VR)
_EXPLICIT = re.compile(rb".{4}[A-Z]{2}", re.DOTALL)
"""The start of an element with its VR; without one a length stands there, which would be of 16 kB or more."""


class _Walk:
    """Ends the reading after the last tag, and notes where the elements stop making sense.

    Invariant: `suspect` is the first element whose VR does not exist, or whose value goes beyond the file, or after
    which no element begins; None as long as there is none. Many files with a suspect can be read whole.
    """

    def __init__(self, stream: BoundedReader, last: BaseTag, *, explicit: bool) -> None:
        self._stream = stream
        here = stream.tell()
        self._size = stream.seek(0, io.SEEK_END)
        stream.seek(here)
        self._last = last
        self._explicit = explicit
        self._before: BaseTag | None = None
        self.suspect: BaseTag | None = None

    def ends(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        """Whether this element is not to be read any more; called when its header has been read."""
        if self.suspect is None:
            is_unknown = self._explicit and vr not in _VRS
            if is_unknown and not dictionary_has_tag(tag):
                self.suspect = self._before or tag  # its length was wrong, and this is not the start of an element
            elif is_unknown or self._is_beyond(length):
                self.suspect = tag
        self._before = tag
        if self.suspect is None and length != _UNDEFINED_LENGTH and tag <= self._last:
            check_length(tag, vr, length)
        return bool(tag > self._last)

    def _is_beyond(self, length: int) -> bool:
        return length != _UNDEFINED_LENGTH and self._stream.tell() + length > self._size

    def error(self) -> InvalidImageError:
        """What to say about a file that could not be read beyond the suspect."""
        tag = self.suspect or Tag(0)
        return InvalidImageError(
            f"the DICOM data set cannot be read beyond element ({tag.group:04X},{tag.elem:04X}), "
            "whose VR or length is wrong, or where the file is truncated; export the film again"
        )


def read_elements(data: bytes, limits: DecodeLimits, tags: Sequence[BaseTag]) -> tuple[Dataset, str]:
    """Read the elements of these tags and the transfer syntax.

    Whether VRs are written is taken from the first element, as `pydicom.dcmread` does: files exist that state the
    opposite. `original_encoding` of the data set holds what was met.

    `pydicom.dcmread` would inflate a deflated data set before its syntax can be refused, and
    reading the meta information twice would let two readers disagree about it. What follows the
    last of `tags` is not read. Large Pixel Data are not copied: their value is a view of `data`.

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
    uid = _transfer_syntax(stream)
    return _data_set(stream, TRANSFER_SYNTAXES[uid], tags), uid


def _transfer_syntax(stream: BoundedReader) -> UID:
    """The transfer syntax that the file meta information states, one that is read here."""
    with parsing("DICOM file meta information"):
        meta = _elements(
            stream,
            _FILE_META_SYNTAX,
            [Tag("TransferSyntaxUID")],
            lambda tag, _vr, _length: tag.group != _FILE_META_GROUP,
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
    return uid


def _data_set(stream: BoundedReader, stated: TransferSyntax, tags: Sequence[BaseTag]) -> Dataset:
    """The elements of the data set, with or without VRs as they are written, whatever the syntax states about that."""
    start = stream.tell()
    head = stream.read(6)
    stream.seek(start)
    syntax = replace(stated, implicit_vr=_EXPLICIT.match(head) is None) if head else stated
    walk = _Walk(stream, max(tags), explicit=not syntax.implicit_vr)
    try:
        with parsing("DICOM data set"):
            dataset = _elements(stream, syntax, tags, walk.ends)
    except InvalidImageError as error:
        if walk.suspect is None:
            raise
        raise walk.error() from error
    if walk.suspect is not None and _PIXEL_DATA in tags and _PIXEL_DATA not in dataset:
        raise walk.error()
    dataset.set_original_encoding(syntax.implicit_vr, syntax.little_endian, None)
    return dataset


def _elements(
    stream: BoundedReader,
    syntax: TransferSyntax,
    tags: Sequence[BaseTag],
    ends: Callable[[BaseTag, str | None, int], bool],
) -> Dataset:
    """The elements of these tags, from where the stream stands to the first tag that `ends`."""
    elements = data_element_generator(
        stream,
        is_implicit_VR=syntax.implicit_vr,
        is_little_endian=syntax.little_endian,
        stop_when=ends,
        specific_tags=list(tags),
        defer_size=_LARGE_BYTES,
    )
    return Dataset({element.tag: _with_value(element, stream) for element in elements})


def _with_value(element: RawDataElement | DataElement, stream: BoundedReader) -> RawDataElement | DataElement:
    """An element with the value that pydicom left where it is, since it is large; the stream stands behind it."""
    if not isinstance(element, RawDataElement) or element.value is not None or element.length <= _LARGE_BYTES:
        return element
    end = stream.tell() - (_DELIMITER_BYTES if element.length == _UNDEFINED_LENGTH else 0)
    value: Any = stream.content[element.value_tell : end]
    return element._replace(value=value if element.tag == _PIXEL_DATA else bytes(value))
