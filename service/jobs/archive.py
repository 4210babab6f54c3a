"""Archives of films: streamed to the disk within a limit, listed and read by place. ZIP, and TAR without compression.

Names in an archive are not looked at, and nothing is unpacked to the disk: neither can lead anywhere else.
Source: PKWARE APPNOTE 6.3.10 4.3.14 to 4.3.16 (end of the central directory); POSIX.1-2001, pax (ustar header).
"""

import asyncio
import hashlib
import os
import shutil
import struct
import time
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from schemas.errors import (
    BodyTooLargeError,
    ImageTooLargeError,
    InvalidImageError,
    SpoolFullError,
    SpoolUnavailableError,
)
from service.jobs.members import ENTRY_FAULTS, opened, tar_members, too_many, zip_members

TYPES: Final[Mapping[str, str]] = {
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
    "application/x-tar": "tar",
}
"""Media types, and the endings of the files in which such bodies are kept."""
_KINDS: Final = ("zip", "tar", "part")
"""The endings of files; `part` is of one that is still arriving."""
_LEFT_S: Final = 3600.0
"""After which a file without a job is of a request that died."""
_PIECE: Final = 1024 * 1024
RESERVE_BYTES: Final = 256 * 1024 * 1024
"""Of the disk, which are left to others: the spool and the audit log often share it."""
_LOCAL_BYTES: Final = 30
"""Of the header before each member, without its name and extra field."""


@dataclass(frozen=True, slots=True)
class Archives:
    """The archives of running jobs in one folder; each is named by its job."""

    folder: Path
    largest_bytes: int
    most_films: int
    film_bytes: int
    """Of the largest film that is taken."""
    reserve_bytes: int = RESERVE_BYTES
    """Of the disk, which no archive takes."""

    async def receive(self, job: str, kind: str, chunks: AsyncIterator[bytes]) -> str:
        """Write an archive to the disk, whole or not at all; returns the SHA-256 of its bytes.

        Raises:
            BodyTooLargeError: it is larger than the limit.
            SpoolFullError: the disk is nearly full.
            SpoolUnavailableError: the folder cannot be written.
        """
        part = self.folder / f"{job}.part"
        digest = hashlib.sha256()
        written = 0
        piece = bytearray()
        file = await asyncio.to_thread(self._begin, part)
        try:
            async for chunk in chunks:
                written += len(chunk)
                self._check(written)
                piece += chunk
                if len(piece) >= _PIECE:
                    await asyncio.to_thread(self._write, file, digest, bytes(piece))
                    piece.clear()
            await asyncio.to_thread(self._write, file, digest, bytes(piece))
            await asyncio.to_thread(_keep, file, part, self._path(job, kind))
        except BaseException:
            with suppress(OSError):  # of a full disk: it writes what it still has
                file.close()
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        return digest.hexdigest()

    def _begin(self, part: Path) -> BinaryIO:
        with _writing():
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            return os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb")

    def _write(self, file: BinaryIO, digest: Any, piece: bytes) -> None:
        digest.update(piece)
        with _writing():
            if shutil.disk_usage(self.folder).free < len(piece) + self.reserve_bytes:
                msg = (
                    f"the disk of CXR_JOBS_FOLDER has less than {self.reserve_bytes} bytes left for others; free some, "
                    "or send the archive again once running jobs have ended"
                )
                raise SpoolFullError(msg)
            file.write(piece)

    def _check(self, size: int) -> None:
        if size > self.largest_bytes:
            msg = f"the archive is over {self.largest_bytes} bytes (CXR_JOBS_ARCHIVE_BYTES); send several"
            raise BodyTooLargeError(msg)

    def members(self, job: str) -> Iterator[dict[str, Any]]:
        """The place of each file in an archive.

        Raises:
            MalformedRequestError: it cannot be read.
            SpoolUnavailableError: see `opened`.
            BodyTooLargeError: it has too many members.
        """
        path = self._find(job)
        list_members = zip_members if path.suffix == ".zip" else tar_members
        found = list_members(path, self.most_films)
        for count, place in enumerate(found):
            if count == self.most_films:
                raise too_many(self.most_films)
            yield place

    def read(self, job: str, place: Mapping[str, Any]) -> bytes:
        """The bytes of one member.

        Raises:
            InvalidImageError: it cannot be read, e.g. as it is encrypted.
            ImageTooLargeError: it is larger than a film may be.
            SpoolUnavailableError: see `opened`.
        """
        path = self._find(job)
        try:
            with opened(path) as raw:
                content = self._from_zip(raw, place) if path.suffix == ".zip" else self._from_tar(raw, place)
        except ENTRY_FAULTS as error:
            msg = "a file of the archive cannot be read; it is damaged, encrypted or compressed in an unusual way"
            raise InvalidImageError(msg) from error
        if len(content) > self.film_bytes:
            msg = f"a file of the archive is larger than {self.film_bytes} bytes (CXR_MAX_BODY_BYTES); it is left out"
            raise ImageTooLargeError(msg)
        return content

    def _from_tar(self, raw: BinaryIO, place: Mapping[str, Any]) -> bytes:
        raw.seek(place["offset"])
        content = raw.read(min(place["size"], self.film_bytes + 1))
        if len(content) < min(place["size"], self.film_bytes + 1):
            raise EOFError
        return content

    def _from_zip(self, raw: BinaryIO, place: Mapping[str, Any]) -> bytes:
        """One member, no more of it than a film may be, however small it is packed."""
        raw.seek(place["offset"])
        name_bytes, extra_bytes = struct.unpack("<4x22xHH", raw.read(_LOCAL_BYTES))
        raw.seek(name_bytes + extra_bytes, os.SEEK_CUR)
        packed = raw.read(min(place["size"], self.film_bytes + _PIECE))
        if place["method"] == zipfile.ZIP_STORED:
            content = packed[: self.film_bytes + 1]
        elif place["method"] == zipfile.ZIP_DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, self.film_bytes + 1)
        else:
            raise NotImplementedError
        if len(content) <= self.film_bytes and zlib.crc32(content) != place["crc"]:
            raise EOFError
        return content

    def ids(self) -> set[str]:
        """The jobs whose archive is here."""
        return {path.stem for kind in _KINDS for path in self.folder.glob(f"*.{kind}")}

    def is_left(self, job: str) -> bool:
        """Whether nobody has written to the file of a job for long."""
        paths = (self._path(job, kind) for kind in _KINDS)
        return all(time.time() - path.stat().st_mtime > _LEFT_S for path in paths if path.exists())

    def remove(self, job: str) -> None:
        """Delete the archive of a job, where there is one."""
        for kind in _KINDS:
            self._path(job, kind).unlink(missing_ok=True)

    def _path(self, job: str, kind: str) -> Path:
        return self.folder / f"{job}.{kind}"

    def _find(self, job: str) -> Path:
        path = self._path(job, "zip")
        return path if path.exists() else self._path(job, "tar")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        msg = (
            f"the archive cannot be kept in CXR_JOBS_FOLDER ({reason}); let the service write there, and send it again"
        )
        raise SpoolUnavailableError(msg) from error


def _keep(file: BinaryIO, part: Path, path: Path) -> None:
    with _writing():
        file.flush()
        os.fsync(file.fileno())
        file.close()
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name is on the disk too
        finally:
            os.close(folder)
