"""Bytes to radiograph: the content decides the format, and whatever arrives, only our own errors leave."""

from imaging.dicom.codecs import FrameDecoder
from imaging.dicom.decode import decode_dicom
from imaging.libraries import configure_libraries
from imaging.limits import DecodeLimits
from imaging.radiograph import Format, Radiograph
from imaging.raster import decode_raster
from schemas.errors import InvalidImageError, UnsupportedImageError

__all__ = ["DecodeLimits", "decode", "sniff"]

_PREAMBLE_BYTES = 128
_MEDIA_TYPES: dict[str, Format | None] = {
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",  # registered nowhere, sent by many
    "image/png": "png",
    "application/dicom": "dicom",
    "application/octet-stream": None,  # claims nothing: the content alone decides
}


def sniff(data: bytes) -> Format:
    """Name the format by its signature.

    Raises:
        InvalidImageError: there are no bytes.
        UnsupportedImageError: the signature is none of the three.

    Source: DICOM PS3.10 7.1 (128 bytes of any content, then DICM; hence asked first); ISO 10918-1 B.1.1.3;
        PNG specification 5.2.
    """
    if not data:
        msg = "the file is empty; send the bytes of a JPEG, PNG or DICOM file"
        raise InvalidImageError(msg)
    if data[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM":
        return "dicom"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    msg = "the content is neither JPEG nor PNG nor a DICOM file with its preamble; send one of these"
    raise UnsupportedImageError(msg)


def decode(
    data: bytes,
    *,
    declared_type: str | None = None,
    limits: DecodeLimits = DecodeLimits(),  # noqa: B008 frozen, so one shared default is safe
    min_side: int | None = None,
    frame_decoder: FrameDecoder | None = None,
) -> Radiograph:
    """Decode one film.

    Args:
        data: the whole file.
        declared_type: the media type that the sender claims; None or application/octet-stream claims nothing.
        limits: what the file may cost.
        min_side: allow a large JPEG to be decoded at 1/2, 1/4 or 1/8 of its size as long as the
            short side keeps at least twice this many pixels; None decodes at full size.
        frame_decoder: decodes the compressed frames of DICOM files, `imaging.dicom.child_decoder.ChildDecoder` or,
            for files whose origin is known, `imaging.dicom.codecs.decode_frame`; None refuses compressed films.

    Raises:
        InvalidImageError: the bytes are broken.
        UnsupportedImageError: another format or DICOM transfer syntax, or the declared type is
            unknown or contradicted by the content.
        ImageTooLargeError: over `limits`, or over all the memory that there is for decoding.
        NotARadiographError: readable, but not a single-frame projection radiograph.
    """
    configure_libraries()
    actual = sniff(data)
    if declared_type is not None:
        _check_declared(declared_type, actual)
    if actual == "dicom":
        return decode_dicom(data, limits, frame_decoder)
    return decode_raster(data, actual, limits, min_side)


def _check_declared(declared_type: str, actual: Format) -> None:
    media_type = declared_type.partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        msg = f"the declared type is not one of {', '.join(_MEDIA_TYPES)}; declare one of these"
        raise UnsupportedImageError(msg)
    if _MEDIA_TYPES[media_type] not in (None, actual):
        msg = f"the declared type is {media_type}, but the content is {actual}; declare what is sent"
        raise UnsupportedImageError(msg)
