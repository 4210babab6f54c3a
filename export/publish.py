"""Files become a bundle at its place: whole and checked, or not there at all."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bundle.files import sync_directory, write_whole
from bundle.golden import check_golden
from bundle.opening import Bundle, open_bundle
from bundle.session import open_session
from export.place import Place
from schemas.errors import BundleError
from schemas.model.manifest import CURRENT
from schemas.model.precision import Precision


def verify_bundle(directory: Path) -> tuple[Bundle, Mapping[Precision, float]]:
    """Open a bundle as the service will: every hash, then the self-test in a fresh session of each graph.

    Returns:
        The bundle, and the largest relative difference of a golden output for each precision that it has.

    Raises:
        BundleError: a file is missing or altered, or the golden set gives something else here.
    """
    bundle = open_bundle(directory)
    differences: dict[Precision, float] = {}
    for precision in bundle.manifest.offered:
        session = open_session(bundle, precision=precision)
        differences[precision] = check_golden(bundle, session.run, precision).relative
    return bundle, differences


def publish_at(place: Place, files: Mapping[str, bytes]) -> Path:
    """Publish files as a bundle at a place, and make it current if the place says so; see `publish` and `point_to`.

    Returns:
        The directory of the bundle.
    """
    destination = place.require_free()
    publish(files, destination)
    if place.make_current:
        point_to(destination)
    return destination


def publish(files: Mapping[str, bytes], destination: Path) -> None:
    """Write files in a folder next to their destination, check them as a bundle, and move them there in one step.

    Args:
        files: content by name, the manifest among them.
        destination: `models/<name>/<version>`; not there yet.

    Raises:
        BundleError: the files are not a sound bundle, the destination exists by now, or the disk refuses.
    """
    out = destination.parent.parent
    with _disk_failures_named(destination):
        out.mkdir(parents=True, exist_ok=True)
        # A name that starts with a dot is no bundle's name, so no reader of the models directory looks inside.
        with tempfile.TemporaryDirectory(dir=out, prefix=".unpublished-") as scratch:
            staging = Path(scratch, "bundle")  # of its own: TemporaryDirectory makes folders that others cannot read
            _write_files(files, staging)
            verify_bundle(staging)
            destination.parent.mkdir(exist_ok=True)
            staging.rename(destination)
        sync_directory(destination.parent)


def point_to(destination: Path) -> None:
    """Make `models/current` name the bundle at `models/<name>/<version>`.

    Raises:
        BundleError: the disk refuses; the file names what it named before.
    """
    current = destination.parent.parent / CURRENT
    with _disk_failures_named(current):
        write_whole(current, f"{destination.parent.name}/{destination.name}\n".encode())


@contextmanager
def _disk_failures_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror}); correct that, or give another --out, and export again"
        raise BundleError(msg) from error


def _write_files(files: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir()
    for name, content in files.items():
        write_whole(folder / name, content)
