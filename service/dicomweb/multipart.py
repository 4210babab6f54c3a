"""Bodies of `multipart/related; type="application/dicom"`: what they declare, and the instances that they hold.

One instance may be the body itself, which the standard does not have: clients made by a generator know no other way.

Source: RFC 2387 (multipart/related), DICOM PS3.18 8.6.1.2.
"""

from collections.abc import AsyncIterable, Sequence
from typing import Final

from schemas.errors import BodyTooLargeError, MalformedRequestError, UnsupportedMediaTypeError
from service.mime.multipart import Headers, read_multipart, write_multipart
from service.mime.parameters import parse_header, require_identity

DICOM: Final = "application/dicom"
ONE: Final = (DICOM, "application/octet-stream")
"""What the body of a single instance may be declared as."""
_RELATED: Final = "multipart/related"


def boundary_of(content_type: str) -> str:
    """The boundary of a body of DICOM parts.

    Raises:
        UnsupportedMediaTypeError: it is not multipart/related of application/dicom.
        MalformedRequestError: it names no boundary, or one that cannot be decoded.
    """
    declared = parse_header(content_type)
    if declared.value != _RELATED or declared.parameters.get("type", DICOM).lower() != DICOM:
        msg = (
            f'the body is declared neither as {_RELATED}; type="{DICOM}" (DICOM PS3.18 10.5.1) nor, for one instance, '
            f"as {' or '.join(ONE)}; send the instances so"
        )
        raise UnsupportedMediaTypeError(msg)
    if not (boundary := declared.parameters.get("boundary", "")):
        msg = f"the {_RELATED} body states no boundary that can be decoded; let a DICOMweb client build it"
        raise MalformedRequestError(msg)
    return boundary


async def read_parts(body: AsyncIterable[bytes], content_type: str, *, at_most: int) -> tuple[bytes, ...]:
    """The contents of the parts, each application/dicom, or of the body where that is one instance; in memory only.

    Args:
        body: chunks as they arrive; the app bounds their sum.
        content_type: the request's header.
        at_most: parts accepted.

    Raises:
        UnsupportedMediaTypeError: the body or a part is declared as something else, or a part is compressed.
        MalformedRequestError: it cannot be read as multipart, was cut off, or has no part.
        BodyTooLargeError: more parts than accepted.
    """
    if parse_header(content_type).value in ONE:
        return (await _read_one(body),)
    arrived = 0

    def accept(headers: Headers) -> bool:
        nonlocal arrived
        arrived += 1
        if arrived > at_most:
            msg = f"the request holds more than {at_most} instances; send several requests"
            raise BodyTooLargeError(msg)
        require_identity(headers.get("content-encoding", ""))
        if headers.get("content-type", DICOM).partition(";")[0].strip().lower() != DICOM:
            msg = f"a part is not declared as {DICOM}; other kinds of instances are not stored here"
            raise UnsupportedMediaTypeError(msg)
        return True

    parts = await read_multipart(body, boundary_of(content_type), accept)
    if not parts:
        msg = f"the {_RELATED} body holds no part; let a DICOMweb client build it"
        raise MalformedRequestError(msg)
    return tuple(content for _, content in parts)


async def _read_one(body: AsyncIterable[bytes]) -> bytes:
    content = b"".join([chunk async for chunk in body])
    if not content:
        msg = "the body is empty; send the bytes of an instance"
        raise MalformedRequestError(msg)
    return content


def write_parts(contents: Sequence[bytes]) -> tuple[bytes, str]:
    """A body of application/dicom parts and its Content-Type."""
    body, boundary = write_multipart(contents, DICOM)
    return body, f'{_RELATED}; type="{DICOM}"; boundary={boundary}'
