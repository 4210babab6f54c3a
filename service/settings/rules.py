"""The rule of a setting in words, made from its type and its bounds, and what of a refused value may be printed."""

import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

LONGEST_SHOWN: Final = 80
"""Characters of a refused value that a message shows; all but tokens and pasted files are shorter."""

_CREDENTIALS: Final = re.compile(
    r"://[^/]*@|cxr_[0-9a-f]{12}_|-----BEGIN|[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{20}"
)
"""An address with a login, one of our keys, a PEM block, a JWT: a value that was given to the wrong variable."""
_UNIONS: Final = (Union, types.UnionType)
_KINDS: Final[Mapping[type, str]] = {bool: "true or false", int: "a whole number", float: "a number"}
_BOUNDS: Final = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))


def rule_of(field: FieldInfo) -> str:
    """What a value of this field must be: "must be a whole number, at least 0 and at most 65535"."""
    kind, metadata = _bare(field.annotation, tuple(field.metadata))
    if get_origin(kind) in _UNIONS:
        return "must be " + " or ".join(_KINDS[part] if part in _KINDS else _choices(part) for part in get_args(kind))
    if get_origin(kind) is Literal:
        return f"must be {_choices(kind)}"
    bounds = [
        f"{words} {getattr(entry, name)}" for entry in metadata for name, words in _BOUNDS if hasattr(entry, name)
    ]
    return ", ".join(filter(None, (f"must be {_KINDS.get(kind, 'a text')}", " and ".join(bounds))))


def shown(value: object) -> str | None:
    """The value as a message may show it; None where it may hold a secret."""
    text = str(value)
    if _CREDENTIALS.search(text):
        return None
    return text if len(text) <= LONGEST_SHOWN or isinstance(value, Path) else text[:LONGEST_SHOWN] + "…"


def named(path: Path) -> str:
    """A file in a message: its path, unless that is a key or an address which was given instead of one."""
    return shown(path) or "a file whose name is not shown here, as it may hold a password,"


def _choices(literal: Any) -> str:
    return " or ".join(map(str, get_args(literal)))


def _bare(annotation: Any, metadata: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The type without `Annotated` and `| None`, and the constraints that stood there."""
    if get_origin(annotation) in _UNIONS:
        parts = [part for part in get_args(annotation) if part is not type(None)]
        annotation = parts[0] if len(parts) == 1 else annotation
    for entry in getattr(annotation, "__metadata__", ()):
        metadata += tuple(getattr(entry, "metadata", ())) if isinstance(entry, FieldInfo) else (entry,)
    return getattr(annotation, "__origin__", annotation) if hasattr(
        annotation, "__metadata__"
    ) else annotation, metadata
