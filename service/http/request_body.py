"""The bytes of films out of a request's body, multipart or raw; in memory only, never on the disk."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from schemas.errors import BodyTooLargeError, MalformedRequestError
from service.reading.predict import Upload
from service.settings import LimitSettings

RAW_TYPES: Final = ("image/jpeg", "image/png", "application/dicom", "application/octet-stream")
_PARTS_PARSED: Final = 1000  # enough to count a batch that is over its limit, too few to cost anything
_FIELD_BYTES: Final = 4096
_BINARY: Final = {"type": "string", "format": "binary"}


def largest_body(limits: LimitSettings) -> int:
    """The largest body of any request, in bytes.

    The framework counts the bytes of a body as they arrive, whatever its header states, and answers 413 to more.
    """
    return limits.max_body_bytes


async def read_films(request: Request, *, part: str, at_most: int, max_body_bytes: int) -> tuple[Upload, ...]:
    """Read the films of a request: the parts of that name, or the raw body as one film.

    Args:
        request: its body is not yet read.
        part: name of the multipart parts that hold films.
        at_most: films accepted.
        max_body_bytes: see `largest_body`; up to it, nothing is spooled to disk.

    Raises:
        MalformedRequestError: the body is empty, not readable as multipart, or holds no such part.
        BodyTooLargeError: more films than `at_most`.
    """
    media_type = request.headers.get("Content-Type", "")
    if not media_type.lower().startswith("multipart/form-data"):
        data = await request.body()
        if not data:
            msg = f"the body is empty; send an image as multipart part {part!r} or as the body itself"
            raise MalformedRequestError(msg)
        return (Upload(data, media_type or None),)
    films = await _read_parts(request, part, max_body_bytes)
    if len(films) > at_most:
        msg = f"the request holds {len(films)} images, at most {at_most} are accepted; send several requests"
        raise BodyTooLargeError(msg)
    return films


def request_body(part: str, *, repeated: bool) -> dict[str, Any]:
    """The OpenAPI `requestBody` of an operation that takes films."""
    schema: Mapping[str, Any] = {"type": "array", "items": _BINARY, "minItems": 1} if repeated else _BINARY
    form = {"type": "object", "properties": {part: schema}, "required": [part]}
    content = {"multipart/form-data": {"schema": form}} | {name: {"schema": _BINARY} for name in RAW_TYPES}
    return {"requestBody": {"required": True, "content": content}}


async def _read_parts(request: Request, part: str, max_body_bytes: int) -> tuple[Upload, ...]:
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=_PARTS_PARSED,
        max_fields=_PARTS_PARSED,
        max_part_size=_FIELD_BYTES,
    )
    parser.spool_max_size = max_body_bytes
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError) as error:  # ValueError: of codecs that the Content-Type may name
        msg = "the body cannot be read as multipart/form-data; let your HTTP client build it"
        raise MalformedRequestError(msg) from error
    try:
        files = [entry for entry in form.getlist(part) if isinstance(entry, UploadFile)]
        if not files:
            msg = f"the multipart body has no file part named {part!r}; send each image under that name with a filename"
            raise MalformedRequestError(msg)
        return tuple([Upload(await file.read(), file.content_type or None) for file in files])
    finally:
        await form.close()
