"""The bytes of films out of a request's body, multipart or raw; in memory only, never on the disk."""

import encodings
from collections.abc import Mapping
from encodings import aliases
from pkgutil import iter_modules
from typing import Any, Final

from fastapi import Request

from schemas.errors import BodyTooLargeError, MalformedRequestError, UnsupportedEncodingError
from service.films.look import Upload
from service.mime.multipart import Headers, read_multipart
from service.mime.parameters import CHARSETS, parse_header, require_identity
from service.settings import LimitSettings

RAW_TYPES: Final = ("image/jpeg", "image/png", "application/dicom", "application/octet-stream")
_OTHER_PARTS: Final = 100
"""Parts of other names than that of the films: browsers send a few, and none is used."""
_FIELD_BYTES: Final = 4096
"""Of a field of a form that is not a file."""
_CODECS: Final = frozenset(module.name for module in iter_modules(encodings.__path__)) | aliases.aliases.keys()
_BINARY: Final = {"type": "string", "format": "binary"}


def largest_body(limits: LimitSettings) -> int:
    """The largest body of any request, in bytes.

    The framework counts the bytes of a body as they arrive, whatever its header states, and answers 413 to more.
    """
    return limits.max_body_bytes


def require_plain_body(request: Request) -> None:
    """Refuse a body that is compressed for its transport.

    Raises:
        UnsupportedEncodingError: Content-Encoding or Transfer-Encoding names a compression.
    """
    if request.headers.get("Transfer-Encoding", "chunked").strip().lower() not in ("", "chunked", "identity"):
        msg = "the header Transfer-Encoding names more than chunked; send the image as it is, without a compression"
        raise UnsupportedEncodingError(msg)
    require_identity(", ".join(request.headers.getlist("Content-Encoding")))


async def read_films(request: Request, *, part: str, at_most: int) -> tuple[Upload, ...]:
    """Read the films of a request: the parts of that name, or the raw body as one film.

    Args:
        request: its body is not yet read; `largest_body` bounds it.
        part: name of the multipart parts that hold films.
        at_most: films accepted.

    Raises:
        MalformedRequestError: the body is empty, not readable as multipart, or holds no such part.
        UnsupportedEncodingError: it is compressed for its transport.
        BodyTooLargeError: more films than `at_most`.
    """
    require_plain_body(request)
    media_type = request.headers.get("Content-Type", "")
    if not media_type.lower().startswith("multipart/form-data"):
        data = await request.body()
        if not data:
            msg = f"the body is empty; send an image as multipart part {part!r} or as the body itself"
            raise MalformedRequestError(msg)
        return (Upload(data, media_type or None),)
    return await _read_parts(request, media_type, part, at_most)


def request_body(part: str, *, repeated: bool) -> dict[str, Any]:
    """The OpenAPI `requestBody` of an operation that takes films."""
    schema: Mapping[str, Any] = {"type": "array", "items": _BINARY, "minItems": 1} if repeated else _BINARY
    form = {"type": "object", "properties": {part: schema}, "required": [part]}
    content = {"multipart/form-data": {"schema": form}} | {name: {"schema": _BINARY} for name in RAW_TYPES}
    return {"requestBody": {"required": True, "content": content}}


async def _read_parts(request: Request, media_type: str, part: str, at_most: int) -> tuple[Upload, ...]:
    counts = {True: 0, False: 0}

    def accept(headers: Headers) -> bool:
        require_identity(headers.get("content-encoding", ""))
        is_film = _disposition(headers).get("name") == part
        counts[is_film] += 1
        if counts[True] > at_most:
            msg = f"the request holds more than {at_most} images, at most {at_most} are accepted; send several requests"
            raise BodyTooLargeError(msg)
        if counts[False] > _OTHER_PARTS:
            msg = f"the multipart body has over {_OTHER_PARTS} parts that are not named {part!r}; send the images alone"
            raise MalformedRequestError(msg)
        return is_film or _is_field(headers)

    parts = await read_multipart(request.stream(), _boundary_of(media_type), accept)
    films = [each for each in parts if _disposition(each[0]).get("name") == part]
    if not films or any(_is_field(headers) and _is_text(content) for headers, content in films):
        msg = f"the multipart body has no image in a part named {part!r}; send each image under that name"
        raise MalformedRequestError(msg)
    fields = [content for headers, content in parts if _disposition(headers).get("name") != part]
    if any(len(content) > _FIELD_BYTES for content in fields):
        msg = f"a text field of the multipart body is over {_FIELD_BYTES} bytes; send the images alone"
        raise MalformedRequestError(msg)
    return tuple(Upload(content, headers.get("content-type") or None) for headers, content in films)


def _boundary_of(media_type: str) -> str:
    parameters = parse_header(media_type).parameters
    charset = parameters.get("charset", "utf-8").lower().replace("_", "-")
    # What is no charset at all means nothing; another real one would be ignored in silence.
    if charset not in CHARSETS and (charset.replace("-", "_") in _CODECS or not charset.isprintable()):
        msg = "the charset of the multipart body is neither UTF-8 nor ISO-8859-1; names of parts are read in these two"
        raise MalformedRequestError(msg)
    if not (boundary := parameters.get("boundary", "")):
        msg = "the Content-Type of the multipart body states no boundary; let your HTTP client build it"
        raise MalformedRequestError(msg)
    return boundary


def _disposition(headers: Headers) -> Mapping[str, str]:
    """What a part states about itself; an image need not have a filename."""
    if (disposition := headers.get("content-disposition")) is None:
        msg = "a part of the multipart body has no Content-Disposition; let your HTTP client build it (RFC 7578 4.2)"
        raise MalformedRequestError(msg)
    return parse_header(disposition).parameters


def _is_field(headers: Headers) -> bool:
    """Whether nothing says that a part is a file, as in a field of a form."""
    return "filename" not in _disposition(headers) and "content-type" not in headers


def _is_text(content: bytes) -> bool:
    """Whether it is a typed text: every film has bytes that no keyboard makes."""
    start = content[:_FIELD_BYTES]
    return start.isascii() and start.decode("ascii").isprintable()
