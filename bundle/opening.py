"""A bundle on disk: opened, every file checked against the hash that the manifest states."""

import hashlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from bundle.reading import LARGEST_FILE, LARGEST_MANIFEST, read_regular, regular_file
from schemas.errors import BundleError
from schemas.model.manifest import FILE_NAME, MANIFEST, BundleManifest, FileRecord

LARGEST_BUNDLE: Final = 4 * 1024**3
"""Bytes of all files: a graph, the weights again for torch, and reduced precisions."""
LARGEST_ARRAYS: Final = 512 * 1024**2
"""Bytes that an archive of a bundle may unpack to; those of the shipped bundle have 8 MB."""
MOST_FILES: Final = 64
"""Files that a manifest lists, and arrays of an archive."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every file has the hash that its manifest states."""

    directory: Path
    manifest: BundleManifest
    sha256: str
    """Hash of manifest.json: the identity of the bundle."""

    def read(self, name: str) -> bytes:
        """The bytes of one of its files, checked again: the file may have changed since the bundle was opened.

        Raises:
            BundleError: the manifest does not list the file, the file cannot be read, or it was altered.
        """
        record = self.manifest.files.get(name)
        if record is None:
            msg = f"{self.directory.name}: the manifest does not list {name}; export the bundle again"
            raise BundleError(msg)
        with _reading(self.directory, name):
            content = read_regular(self.directory / name, min(record.size_bytes, LARGEST_FILE))
        _check_digest(self.directory, name, hashlib.sha256(content).hexdigest(), record)
        return content

    def read_arrays(self, name: str, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Arrays of one of its .npz files; pickled ones are refused.

        Args:
            name: of the file.
            required: arrays that the file must have.
            optional: arrays that are returned where the file has them.

        Raises:
            BundleError: see `read`; or the file is not an archive of arrays, unpacks to more than `LARGEST_ARRAYS`, or
                lacks a required one.
        """
        content = self.read(name)
        try:
            _check_unpacked_size(name, content)
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                present = [array for array in optional if array in stored]
                return {array: stored[array] for array in (*required, *present)}
        except (OSError, EOFError, ValueError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
            msg = f"{name} cannot be read or lacks one of {', '.join(required)}; export the bundle again"
            raise BundleError(msg) from error


def open_bundle(directory: Path, accept: Callable[[bytes], object] = lambda _manifest: None) -> Bundle:
    """Read the manifest of `directory` and check every file that it lists.

    Args:
        directory: of the bundle.
        accept: gets the manifest's bytes before anything in them is used; raises where they are not trusted.

    Raises:
        BundleError: there is no manifest, or one of another format; a file is missing, altered or of another size; or
            a path leaves the bundle.
    """
    with _reading(directory, MANIFEST):
        content = read_regular(directory / MANIFEST, LARGEST_MANIFEST)
    accept(content)
    try:
        manifest = BundleManifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        msg = f"{directory.name}: {MANIFEST} is not a bundle manifest: {where}: {first['msg']}; export the bundle again"
        raise BundleError(msg) from error
    if len(manifest.files) > MOST_FILES:
        msg = f"{directory.name}: {MANIFEST} lists {len(manifest.files)} files, at most {MOST_FILES} are read"
        raise BundleError(msg)
    stated = sum(record.size_bytes for record in manifest.files.values())
    if stated > LARGEST_BUNDLE:
        msg = f"{directory.name}: {MANIFEST} states {stated} bytes in all, at most {LARGEST_BUNDLE} are read"
        raise BundleError(msg)
    for name, record in manifest.files.items():
        _check_file(directory, name, record)
    return Bundle(directory, manifest, hashlib.sha256(content).hexdigest())


def _check_file(directory: Path, name: str, record: FileRecord) -> None:
    if not re.fullmatch(FILE_NAME, name):
        msg = f"{directory.name}: the manifest lists {name!r}, which is not a plain file name"
        raise BundleError(msg)
    if not (directory / name).exists():
        msg = f"{directory.name}: {name} is missing; copy the whole bundle again"
        raise BundleError(msg)
    with _reading(directory, name), regular_file(directory / name, LARGEST_FILE) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size != record.size_bytes:
            msg = (
                f"{directory.name}: {name} has {size} bytes, its manifest states {record.size_bytes}; copy the bundle "
                "again"
            )
            raise BundleError(msg)
        _check_digest(directory, name, hashlib.file_digest(stream, "sha256").hexdigest(), record)


def _check_digest(directory: Path, name: str, digest: str, record: FileRecord) -> None:
    if digest != record.sha256:
        msg = (
            f"{directory.name}: {name} has sha256 {digest[:12]}…, its manifest states {record.sha256[:12]}…; it was "
            "altered: copy the whole bundle again"
        )
        raise BundleError(msg)


def _check_unpacked_size(name: str, content: bytes) -> None:
    """By the directory of the archive, before anything is unpacked.

    Raises:
        BundleError: it states more bytes, or more arrays, than any bundle has.
        zipfile.BadZipFile: it is not an archive.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > LARGEST_ARRAYS or len(entries) > MOST_FILES:
        msg = (
            f"{name} unpacks to {unpacked} bytes in {len(entries)} arrays, at most {LARGEST_ARRAYS} in {MOST_FILES} "
            "are read; export the bundle again"
        )
        raise BundleError(msg)


@contextmanager
def _reading(directory: Path, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"{directory.name}: {name} cannot be read ({error.strerror}); copy the whole bundle again"
        raise BundleError(msg) from error
