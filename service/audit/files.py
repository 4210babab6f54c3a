"""The files of an audit log: the one that grows, and `<name>.000001`, `<name>.000002` … that were full before it."""

import fcntl
import os
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bundle.files import sync_directory
from schemas.errors import SettingsError
from service.audit.chain import Head, Seam, extend, head_of
from service.audit.record import AuditEntry
from service.settings.rules import named

TAIL_BYTES: Final = 1024 * 1024
"""In which the last line is looked for; a line has about 400 bytes."""


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of the log at `path`, the oldest first; those that are there. A link is followed to where they lie."""
    path = Path(os.path.realpath(path))
    full = re.compile(re.escape(path.name) + r"\.[0-9]{6,}")
    older = [file for file in path.parent.glob(f"{path.name}.*") if full.fullmatch(file.name)]
    return (*sorted(older, key=lambda file: int(file.suffix[1:])), *([path] if path.exists() else []))


def torn_bytes_of(path: Path) -> int:
    """How many bytes follow the last line feed.

    Raises:
        ValueError: more than any half-written line has.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - TAIL_BYTES))
        tail = stream.read(TAIL_BYTES)
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn == TAIL_BYTES:
        msg = "its end is not an audit log"
        raise ValueError(msg)
    return torn


class AuditFile:
    """Appends lines to the log.

    Invariant: `head` is that of the last line that is in the file whole. What a failed write left behind it is
    cut off before the next. One process at a time has the log: a second would fork the chain.
    """

    def __init__(self, path: Path, *, max_bytes: int, sync: bool) -> None:
        """Open the log and find its end.

        Args:
            path: of the file that grows.
            max_bytes: at which it is put aside for a new one.
            sync: whether `append` returns only when the lines are on the disk.

        Raises:
            SettingsError: it cannot be opened, another process has it, or its end is not an audit log.
        """
        self._path = path = Path(os.path.realpath(path))  # one lock for one file, by whatever links it is named
        self._max_bytes = max_bytes
        self._sync = sync
        self._descriptor: int | None = None
        self._cut_off_first = False
        with ExitStack() as stack:
            try:
                self._lock = stack.enter_context(path.with_name(path.name + ".lock").open("w", encoding="utf-8"))
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._open()
                self.head, torn_bytes = self._find_end()
            except BlockingIOError as error:
                msg = "another process writes the log of CXR_AUDIT_FILE; give each its own"
                raise SettingsError(msg) from error
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                msg = (
                    f"CXR_AUDIT_FILE {named(path)}: {reason}; give a file that may be written, or put this one aside "
                    "after `python -m service audit verify`"
                )
                raise SettingsError(msg) from error
            self._seam = Seam(torn_bytes=torn_bytes)
            self._cut_off_first = torn_bytes > 0
            stack.pop_all()

    @property
    def torn_bytes(self) -> int:
        """Size of the half-written line that was at the end, until the log reports it."""
        return self._seam.torn_bytes

    def append(self, entries: Sequence[AuditEntry], *, omitted: int = 0) -> tuple[bytes, ...]:
        """Write entries as the next lines, all or none.

        Args:
            entries: at least one.
            omitted: events that were lost since the last line; the first of these lines reports them.

        Raises:
            OSError: they are not written; the disk is full, or gone.
        """
        head = self.head
        lines = []
        seam = Seam(omitted, self._seam.torn_bytes)
        for entry in entries:
            line, head = extend(head, entry, seam)
            lines.append(line)
            seam = Seam()
        content = b"".join(lines)
        self._make_room(len(content))
        self._write(content)
        self.head = head
        self._seam = Seam()
        return tuple(lines)

    def close(self) -> None:
        """Let another process have the log."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._lock.close()

    def _open(self) -> int:
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, mode=0o600)
            try:  # the file itself: a hard link or a mount is a second name of it
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
            self._size = os.fstat(descriptor).st_size
        return self._descriptor

    def _find_end(self) -> tuple[Head, int]:
        """The head of the last whole line, in this file or the one before it, and the bytes that follow the line."""
        torn_bytes = torn_bytes_of(self._path) if self._size else 0
        self._size -= torn_bytes
        for file in reversed(files_of(self._path)):
            with file.open("rb") as stream:
                end = self._size if file == self._path else file.stat().st_size
                stream.seek(max(0, end - TAIL_BYTES))
                lines = stream.read(min(end, TAIL_BYTES)).splitlines()
            if lines:
                return head_of(lines[-1]), torn_bytes
        return Head(), torn_bytes

    def _make_room(self, size_bytes: int) -> None:
        descriptor = self._open()
        if self._size == 0 or self._size + size_bytes <= self._max_bytes:
            return
        self._cut_off(descriptor)
        os.fsync(descriptor)
        *full, _ = files_of(self._path)
        number = int(full[-1].suffix[1:]) + 1 if full else 1
        self._path.rename(self._path.with_name(f"{self._path.name}.{number:06d}"))
        os.close(descriptor)
        self._descriptor = None
        self._open()
        sync_directory(self._path.parent)

    def _write(self, content: bytes) -> None:
        descriptor = self._open()
        self._cut_off(descriptor)
        self._cut_off_first = True  # until all of it is known to be there
        left = content
        while left:
            left = left[os.write(descriptor, left) :]
        if self._sync:
            _sync_content(descriptor)
        self._cut_off_first = False
        self._size += len(content)

    def _cut_off(self, descriptor: int) -> None:
        """Remove what a failed write, or a killed process, left after the last whole line."""
        if self._cut_off_first and os.fstat(descriptor).st_size > self._size:
            os.ftruncate(descriptor, self._size)
        self._cut_off_first = False


def _sync_content(descriptor: int) -> None:
    if sys.platform == "linux":
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)
