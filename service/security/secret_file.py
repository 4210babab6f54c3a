"""Secrets that stand alone in a file: as editors save them, and as a header may carry them."""

import codecs
from pathlib import Path
from typing import Final

from schemas.errors import SettingsError

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FIRST_VISIBLE: Final = "!"
_LAST_VISIBLE: Final = "~"


def read_secret(path: Path) -> str:
    """The text of a file without the blanks around it; UTF-8, with or without a byte order mark, or else Latin-1.

    Raises:
        OSError: the file cannot be read.
        SettingsError: it is saved as UTF-16.
    """
    content = path.read_bytes()
    if content.startswith(_UTF16):
        msg = f"{path} is saved as UTF-16; save it as UTF-8"
        raise SettingsError(msg)
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return content.decode("latin-1").strip()


def read_token(path: Path) -> str:
    """A key or a bearer token out of its file.

    Raises:
        OSError: the file cannot be read.
        SettingsError: it holds anything but visible ASCII characters (RFC 6750 2.1).
    """
    text = read_secret(path)
    if not text or not all(_FIRST_VISIBLE <= character <= _LAST_VISIBLE for character in text):
        msg = (
            f"{path} holds no token: it is empty, or has a blank, a line break or a character outside ASCII within; "
            "write the token alone into it"
        )
        raise SettingsError(msg)
    return text


def read_login(path: Path) -> str:
    """`user:password` out of its file.

    Raises:
        OSError: the file cannot be read.
        SettingsError: it has no colon, or control characters such as a second line (RFC 7617 2).
    """
    text = read_secret(path)
    if ":" not in text or not all(character.isprintable() for character in text):
        msg = f"{path} must hold one line, user:password, without control characters; write it so"
        raise SettingsError(msg)
    return text
