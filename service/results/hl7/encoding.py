"""How HL7 v2 writes text: delimiters, escapes and character sets.

Source: HL7 v2.5.1, chapter 2: 2.5.4 (delimiters), 2.7 (escapes); character sets: table 0211.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

FIELD: Final = "|"
COMPONENT: Final = "^"
REPETITION: Final = "~"
ESCAPE: Final = "\\"
SUBCOMPONENT: Final = "&"
ENCODING_CHARACTERS: Final = COMPONENT + REPETITION + ESCAPE + SUBCOMPONENT
SEGMENT_END: Final = "\r"

CHARACTER_SETS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "UNICODE UTF-8": "utf-8",
        "ASCII": "ascii",
        **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    }
)
"""By the name in MSH-18, what Python calls it. In each of them a byte below 0x20 is a control character and no other:
the frame of MLLP needs that."""
UTF_8: Final = "UNICODE UTF-8"

_ESCAPES: Final = {
    FIELD: "\\F\\",
    COMPONENT: "\\S\\",
    SUBCOMPONENT: "\\T\\",
    REPETITION: "\\R\\",
    ESCAPE: "\\E\\",
}
_SPECIAL: Final = re.compile(r"[|^&~\\\x00-\x1f\x7f]")


def escaped(text: str) -> str:
    r"""Text as it may stand in a field: `|` is `\F\`, a line feed `\X0A\`, and so on."""
    return _SPECIAL.sub(lambda match: _ESCAPES.get(match[0]) or f"\\X{ord(match[0]):02X}\\", text)


def components(*parts: str | Iterable[str]) -> str:
    """A field of several components, each of text or of subcomponents; without what is empty at its end."""
    texts = [
        escaped(part) if isinstance(part, str) else SUBCOMPONENT.join(map(escaped, part)).rstrip(SUBCOMPONENT)
        for part in parts
    ]
    return COMPONENT.join(texts).rstrip(COMPONENT)


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment of fields by their numbers; their text is escaped already.

    MSH has its separators as its first two fields: they are not among `fields`.
    """
    first = 3 if name == "MSH" else 1
    last = max(fields, default=0)
    start = f"MSH{FIELD}{ENCODING_CHARACTERS}" if name == "MSH" else name
    written = FIELD.join([start, *(fields.get(number, "") for number in range(first, last + 1))])
    return written.rstrip(FIELD) + SEGMENT_END


def encoded(message: str, character_set: str) -> tuple[bytes, str]:
    """The bytes of a message, and the character set that they are in: UTF-8 where the other lacks a character.

    A name with a question mark in the place of a letter would be another patient's.
    """
    try:
        return message.encode(CHARACTER_SETS[character_set]), character_set
    except UnicodeEncodeError:
        return message.encode(), UTF_8
