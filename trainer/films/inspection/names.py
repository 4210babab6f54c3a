"""Names of files that can be written into a record and read again: those of valid UTF-8 without control characters."""

import unicodedata
from collections.abc import Iterable

from schemas.errors import TrainingConfigError

_UNWRITABLE = ("Cs", "Cc")
"""Unicode categories: surrogates, by which Python stands for bytes that are not UTF-8 (PEP 383), and controls."""


def is_writable(name: str) -> bool:
    """Whether a name can stand in every file that a run writes."""
    return all(unicodedata.category(one) not in _UNWRITABLE for one in name)


def escaped(name: str) -> str:
    r"""The name with each byte that is not UTF-8, and each control character, as `\xe9`."""
    decoded = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(one if is_writable(one) else one.encode("unicode_escape").decode() for one in decoded)


def require_utf8(arguments: Iterable[str]) -> None:
    """Refuse arguments that could not be written into the record of a run.

    Raises:
        TrainingConfigError: one is not UTF-8.
    """
    if bad := [
        escaped(argument) for argument in arguments if any(unicodedata.category(one) == "Cs" for one in argument)
    ]:
        msg = f"the argument {bad[0]} is not UTF-8 and could not be written into the run; rename the file or folder"
        raise TrainingConfigError(msg)
