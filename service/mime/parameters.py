"""The value of a header that has parameters, such as Content-Type: read in linear time, whatever a caller sends.

Source: RFC 9110 5.6.6 (parameters), RFC 8187 (extended values).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from schemas.errors import UnsupportedEncodingError

CHARSETS: Final[Mapping[str, str]] = {
    name: codec
    for codec, names in {
        "utf-8": ("utf-8", "utf8", "us-ascii", "ascii"),
        "latin-1": ("iso-8859-1", "iso8859-1", "iso_8859-1", "latin-1", "latin1", "l1"),
    }.items()
    for name in names
}
"""The charsets in which text of a caller is read, and what Python calls them.

Python has others that need a minute for four kilobytes; which codec decodes a text is not for its sender to choose.
"""

# Possessive throughout: what was matched is never tried again, so that no text takes quadratic time.
_PARAMETER: Final = re.compile(r';[ \t]*+([^\s=;"]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^;"]*+))', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_EXTENDED: Final = re.compile(r"([^']*+)'[^']*+'(.*+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HeaderValue:
    """A value, and its parameters by their names in lower case; of two with one name the first counts."""

    value: str
    """In lower case."""
    parameters: Mapping[str, str]


def parse_header(text: str) -> HeaderValue:
    """Take a header's value apart.

    An extended parameter (`name*=UTF-8''…`) counts where there is none in the plain form, and where it can be decoded:
    RFC 7578 4.2 lets forms use the plain one alone.
    """
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(text):
        value = _QUOTED_PAIR.sub(r"\1", quoted) if quoted else token.strip()
        if not name.endswith("*"):
            plain.setdefault(name.lower(), value)
        elif (decoded := _decoded(value)) is not None:
            extended.setdefault(name[:-1].lower(), decoded)
    return HeaderValue(text.partition(";")[0].strip().lower(), extended | plain)


def require_identity(encoding: str) -> None:
    """Refuse what is compressed for its transport, a body or a part of one.

    Args:
        encoding: value of Content-Encoding.

    Raises:
        UnsupportedEncodingError: it names a compression.
    """
    if encoding.strip().lower() not in ("", "identity"):
        msg = "the header Content-Encoding names a compression, and none is read; send the image as it is, without it"
        raise UnsupportedEncodingError(msg)


def _decoded(value: str) -> str | None:
    match = _EXTENDED.fullmatch(value)
    codec = None if match is None else CHARSETS.get(match[1].lower())
    if match is None or codec is None:
        return None
    try:
        return unquote_to_bytes(match[2]).decode(codec)
    except UnicodeDecodeError:
        return None
