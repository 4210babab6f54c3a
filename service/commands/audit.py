"""`python -m service audit verify`: check that every line of the audit log is still where it was written."""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import SettingsError
from service.audit.chain import Head, follow
from service.audit.files import files_of
from service.commands.command import Command, ExitCode


@dataclass(frozen=True, slots=True)
class LogCheck:
    """The result of following a whole log."""

    first: int | None
    """Number of its first record; above 1 where older files were taken away; None: there is no record yet."""
    head: Head
    torn_bytes: int
    """Of a half-written line at the end: a service is writing, or was killed."""


class BrokenChainError(ValueError):
    """The log was altered; the message names the first line that shows it."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    verify = parser.add_subparsers(dest="command", required=True).add_parser(
        "verify", help="check the chain of hashes over all files of the log, even while the service writes"
    )
    verify.add_argument("--file", type=Path, required=True, help="the file of CXR_AUDIT_FILE")
    verify.add_argument("--head", help="a hash that an earlier verify printed: the log must still hold that line")


def _verify(options: argparse.Namespace) -> int:
    try:
        check = verify_log(options.file, options.head)
    except BrokenChainError as error:
        print(f"broken: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except OSError as error:
        msg = f"{options.file} cannot be read ({error.strerror}); name the file of CXR_AUDIT_FILE"
        raise SettingsError(msg) from error
    _print(check)
    return ExitCode.DONE


audit_command = Command("audit", "Check the audit log.", _add_arguments, _verify)


def verify_log(path: Path, head: str | None = None) -> LogCheck:
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


def _follow_all(files: Sequence[Path], required_hash: str | None) -> LogCheck:
    if not files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    first = None
    head = None
    torn_bytes = 0
    is_there = required_hash is None
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
                is_there = is_there or head.sha256 == required_hash
    if not is_there:
        msg = (
            f"no line has the hash {required_hash}: lines were cut off the end since that hash was noted, or this is "
            "another log"
        )
        raise BrokenChainError(msg)
    return LogCheck(first, head or Head(), torn_bytes)


def _follow_one(head: Head | None, line: bytes, where: str) -> Head:
    try:
        return follow(head, line)
    except ValueError as error:
        msg = f"{where}: {error}"
        raise BrokenChainError(msg) from error


def _print(check: LogCheck) -> None:
    if check.first is None:
        print("the log is empty")
        return
    print(f"records {check.first} to {check.head.sequence} are whole")
    if check.first > 1:
        print(f"record {check.first} follows others that are not here: check them where they are archived")
    if check.torn_bytes:
        print(f"{check.torn_bytes} bytes of a half-written line at the end: the service is writing, or was killed")
    print(f"head {check.head.sha256}")
