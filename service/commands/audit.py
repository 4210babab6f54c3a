"""`python -m service audit verify`: whether every line of the log still stands where it was written."""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.audit.chain import Head, follow
from service.audit.files import files_of

BROKEN, UNREADABLE = 1, 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What a whole log looks like."""

    first: int | None
    """Number of its first record; above 1 where older files were taken away; None: there is no record yet."""
    head: Head
    torn_bytes: int
    """Of a half-written line at the end: a service that writes just now, or one that was killed."""


class BrokenChainError(ValueError):
    """The log was altered; the message names the first line that shows it."""


def audit_command(arguments: list[str]) -> int:
    """Run `verify`; 0 where the chain is whole, 1 where it is broken, 2 where it cannot be read.

    Args:
        arguments: what follows `audit` on the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m service audit", description="Look after the audit log.")
    verify = parser.add_subparsers(dest="command", required=True).add_parser(
        "verify", help="check the chain of hashes over all files of the log, also while the service writes"
    )
    verify.add_argument("--file", type=Path, required=True, help="the file of CXR_AUDIT_FILE")
    verify.add_argument("--head", help="a hash that an earlier verify printed: the log must still hold that line")
    options = parser.parse_args(arguments)
    try:
        finding = verify_log(options.file, options.head)
    except BrokenChainError as error:
        print(f"broken: {error}", file=sys.stderr)
        return BROKEN
    except OSError as error:
        print(
            f"refused: {options.file} cannot be read ({error.strerror}); name the file of CXR_AUDIT_FILE",
            file=sys.stderr,
        )
        return UNREADABLE
    _print(finding)
    return 0


def verify_log(path: Path, head: str | None = None) -> Finding:
    """Follow the chain through all files of a log, also while a service writes it.

    Args:
        path: of the file that grows.
        head: hash of a line that must be among them, or None.

    Raises:
        BrokenChainError: at the first line that does not follow the one before it; or `head` is not there.
        OSError: there is no log.
    """
    while True:
        files = files_of(path)
        try:
            return _follow_all(files, head)
        except BrokenChainError:
            if files_of(path) == files:  # else a file was put aside meanwhile, and the look at it was a mixed one
                raise


def _follow_all(files: Sequence[Path], wanted: str | None) -> Finding:
    if not files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    first = None
    head = None
    torn_bytes = 0
    found = wanted is None
    for file in files:
        if torn_bytes:
            msg = f"{file.name}, line 1: the file before it ends with half a line"
            raise BrokenChainError(msg)
        with file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    torn_bytes = len(line)
                    break
                head = _follow_one(head, line[:-1], f"{file.name}, line {number}")
                first = first or head.sequence
                found = found or head.sha256 == wanted
    if not found:
        msg = f"no line has the hash {wanted}: lines were cut off the end since that hash was noted, or the log is another"
        raise BrokenChainError(msg)
    return Finding(first, head or Head(), torn_bytes)


def _follow_one(head: Head | None, line: bytes, where: str) -> Head:
    try:
        return follow(head, line)
    except ValueError as error:
        msg = f"{where}: {error}"
        raise BrokenChainError(msg) from error


def _print(finding: Finding) -> None:
    if finding.first is None:
        print("the log is empty")
        return
    print(f"records {finding.first} to {finding.head.sequence} are whole")
    if finding.first > 1:
        print(f"record {finding.first} follows others that are not here: check them where they were taken to")
    if finding.torn_bytes:
        print(
            f"{finding.torn_bytes} bytes of a half-written line at the end: the service writes just now, or was killed"
        )
    print(f"head {finding.head.sha256}")
