"""The lines of the audit log from a number on, whichever of its files they are in; beside the process that writes."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from service.audit.chain import link_of
from service.audit.files import files_of


class Line(NamedTuple):
    """One line of the log, without its line feed."""

    sequence: int
    content: bytes


class _Place(NamedTuple):
    inode: int
    offset: int
    sequence: int
    """Of the line before this place."""


class LogReader:
    """Reads on from where it was; a file that was renamed since is known again by its inode."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place: _Place | None = None

    def lines(self, after: int, *, up_to: int, at_most: int) -> list[Line]:
        """The next lines; fewer where files were taken away.

        Args:
            after: number of the last line that is known already.
            up_to: number of the last line that may be read: a later one may still be cut off.
            at_most: how many.

        Raises:
            OSError: a file cannot be read.
        """
        found: list[Line] = []
        for file in self._files(after):
            for line in self._lines_of(file, after):
                if line.sequence > up_to:
                    return found
                found.append(line)
                if len(found) == at_most:
                    return found
        return found

    def _files(self, after: int) -> list[Path]:
        """From the file that holds the line behind `after`: the last that begins before it, and those behind."""
        files = list(files_of(self._path))
        start = 0
        for number, file in enumerate(files):
            first = _first_of(file)
            if first is not None and first <= after + 1:
                start = number
        return files[start:]

    def _lines_of(self, file: Path, after: int) -> Iterator[Line]:
        with file.open("rb") as stream:
            inode = os.fstat(stream.fileno()).st_ino
            if self._place is not None and self._place.inode == inode and self._place.sequence <= after:
                stream.seek(self._place.offset)
            for content in stream:
                if not content.endswith(b"\n"):
                    return
                sequence, _ = link_of(content)
                if sequence > after:
                    yield Line(sequence, content[:-1])
                else:
                    self._place = _Place(inode, stream.tell(), sequence)


def _first_of(file: Path) -> int | None:
    with contextlib.suppress(ValueError), file.open("rb") as stream:
        return link_of(stream.readline())[0]
    return None
