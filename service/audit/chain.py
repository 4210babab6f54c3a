"""The chain: each line holds the hash of the one before it, so that no line can be changed, removed or inserted."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from schemas.version import VERSION
from service.audit.record import AuditEntry, AuditRecord

GENESIS: Final = "0" * 64
"""The hash that the first line states of the one before it."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: the number and the hash of its last line."""

    sequence: int = 0
    sha256: str = GENESIS


@dataclass(frozen=True, slots=True)
class Seam:
    """What the next line has to report about events that are not in the file."""

    omitted: int = 0
    torn_bytes: int = 0


def extend(head: Head, entry: AuditEntry, seam: Seam) -> tuple[bytes, Head]:
    """The line, with its line feed, that follows `head`; and the head that it makes."""
    record = AuditRecord(
        sequence=head.sequence + 1,
        software=VERSION,
        previous=head.sha256,
        omitted=seam.omitted or None,
        torn_bytes=seam.torn_bytes or None,
        **dict(entry),
    )
    line = record.model_dump_json(exclude_none=True).encode()
    return line + b"\n", Head(record.sequence, sha256(line).hexdigest())


def link_of(line: bytes) -> tuple[int, str]:
    """The number of a line, and the hash that it states of the one before it.

    Raises:
        ValueError: it is not a line of an audit log.
    """
    try:
        record = json.loads(line)
        sequence = record["sequence"]
        previous = record["previous"]
    except (ValueError, TypeError, KeyError) as error:
        msg = "it is not an audit record"
        raise ValueError(msg) from error
    if not isinstance(sequence, int) or not isinstance(previous, str):
        msg = "its sequence is not a number, or its hash is not text"
        raise ValueError(msg)  # noqa: TRY004 the text is at fault, not our types
    return sequence, previous


def head_of(line: bytes) -> Head:
    """The head of the chain that ends with `line`, which stands here without its line feed.

    Raises:
        ValueError: it is not a line of an audit log.
    """
    sequence, _ = link_of(line)
    return Head(sequence, sha256(line).hexdigest())


def follow(head: Head | None, line: bytes) -> Head:
    """The head that `line` makes, where it follows `head`.

    Args:
        head: of the line before; None: it is not known.
        line: without its line feed.

    Raises:
        ValueError: it does not follow; the message gives the reason.
    """
    sequence, previous = link_of(line)
    if head is None and sequence == 1:
        head = Head()
    if head is not None and previous != head.sha256:
        msg = (
            f"it does not follow record {head.sequence}: one of the two was changed, or lines were removed or inserted"
        )
        raise ValueError(msg)
    if head is not None and sequence != head.sequence + 1:
        msg = f"it is numbered {sequence} after {head.sequence}"
        raise ValueError(msg)
    return Head(sequence, sha256(line).hexdigest())
