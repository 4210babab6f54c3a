"""Copy the bundles that come with the software into a folder in use: add what is missing, change nothing.

    python -m bundle.shipping SOURCE DESTINATION

A volume of `docker-compose.yml` takes over the content of an image only while it is empty. This command brings the
bundles of a later image into it, before the service starts.
"""

import argparse
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bundle.files import sync_directory, write_whole
from schemas.model.manifest import CURRENT, MANIFEST

UNFINISHED: Final = ".unfinished-bundle"
"""A folder for the copy under way: a reader of bundles looks for name/version/manifest.json and finds none in it."""


def main() -> int:
    """Copy, and print what was done; the exit status is 1 where the disk refuses."""
    parser = argparse.ArgumentParser(prog="python -m bundle.shipping", description="Copy bundles that are missing.")
    parser.add_argument("source", type=Path, help="the folder of bundles that came with the software")
    parser.add_argument("destination", type=Path, help="the folder of bundles that the service reads; it exists")
    options = parser.parse_args()
    try:
        with _one_at_a_time(options.destination):
            copied = copy_missing_bundles(options.source, options.destination)
            serves = choose_current(options.source, options.destination)
    except OSError as error:
        print(f"bundles could not be copied into {options.destination}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    for address in copied:
        print(f"copied {address}")  # noqa: T201
    print(f"{CURRENT} names {serves}")  # noqa: T201
    for address in copied:
        if address != serves:
            print(f"to serve {address}, write its name into {options.destination / CURRENT}")  # noqa: T201
    return 0


def copy_missing_bundles(source: Path, destination: Path) -> list[str]:
    """Copy every bundle of `source` whose name and version are not taken in `destination`, each whole or not at all.

    Returns:
        `name/version` of those that were copied.

    Raises:
        OSError: The disk refuses; bundles that were copied before that stay.
    """
    unfinished = destination / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)  # a killed copy left it
    copied = []
    for manifest in sorted(source.glob(f"*/*/{MANIFEST}")):
        address = manifest.parent.relative_to(source)
        place = destination / address
        if place.exists():
            continue
        unfinished.mkdir()
        for file in manifest.parent.iterdir():
            write_whole(unfinished / file.name, file.read_bytes())
        place.parent.mkdir(exist_ok=True)
        unfinished.rename(place)
        sync_directory(place.parent)
        sync_directory(destination)
        copied.append(str(address))
    return copied


def choose_current(source: Path, destination: Path) -> str:
    """Write `current` where there is none. Which bundle serves is the operator's decision, so one that exists stays.

    Returns:
        What `current` of the destination names.

    Raises:
        OSError: The disk refuses, or the source has no `current`.
    """
    current = destination / CURRENT
    if not current.exists():
        write_whole(current, (source / CURRENT).read_bytes())
    return current.read_text(encoding="utf-8").strip()


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two containers that start at the same time copy one after the other."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
