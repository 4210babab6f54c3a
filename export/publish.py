"""Files become a bundle at its place: whole and checked, or not there at all."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from bundle.files import sync_directory, write_whole
from bundle.golden import check_golden
from bundle.opening import Bundle, open_bundle
from bundle.session import open_session
from bundle.versions import parse_version
from schemas.errors import BundleError
from schemas.model.manifest import CURRENT, BundleName
from schemas.model.precision import Precision
from schemas.record import Record


class Place(Record):
    """Where a new bundle goes, and whether it serves from then on."""

    name: str = Field(description="Name of the bundle.")
    version: str = Field(description="Version of the bundle; must be new.")
    out: Path = Field(default=Path("models"), description="Models directory.")
    make_current: bool = Field(default=False, description="Let the service serve it.")

    def require_free(self) -> Path:
        """The folder of the bundle, `out/name/version`.

        Raises:
            BundleError: it exists, name or version is not a plain name, or the version not a version.
        """
        for what, value in (("name", self.name), ("version", self.version)):
            try:
                TypeAdapter(BundleName).validate_python(value)
            except ValidationError as error:
                msg = (
                    f"the {what} {value!r} must be 1 to 64 of a-z 0-9 . _ - and start with a letter or digit; choose "
                    "another"
                )
                raise BundleError(msg) from error
        parse_version(self.version)
        destination = self.out / self.name / self.version
        if destination.exists():
            msg = f"{self.name}/{self.version} exists and a published bundle never changes; choose a new version"
            raise BundleError(msg)
        return destination


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
