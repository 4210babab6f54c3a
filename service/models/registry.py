"""The models directory: which bundles are in it, and which one is chosen to serve."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from bundle.opening import Bundle, open_bundle
from schemas.errors import BundleError, NotFoundError
from schemas.model.manifest import CURRENT, MANIFEST
from service.models.trust import Trust
from service.settings import ModelSettings


class BundleAddress(NamedTuple):
    """Where a bundle lies below the models directory."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A chosen bundle and the state of its files; two stamps are equal where nothing changed."""

    address: BundleAddress
    files: tuple[tuple[str, int, int], ...]
    """Name, size and time of change of each."""


class BundleRegistry:
    """Finds bundles; it looks at the disk at every call, so what was copied in is known at once.

    Nothing that a caller sends becomes part of a path: it is only compared with what was found.
    """

    def __init__(self, models_dir: Path, model: str | None, trust: Trust | None = None) -> None:
        """Nothing is looked at yet.

        Args:
            models_dir: the directory.
            model: `name`, `name/version`, or None for the content of the file `current`.
            trust: whose bundles are opened; None: anybody's.
        """
        self._models_dir = models_dir
        self._model = model
        self._trust = trust

    @classmethod
    def of(cls, settings: ModelSettings) -> Self:
        """The registry that the settings describe.

        Raises:
            SettingsError: the file of trusted keys cannot be read, or holds none.
        """
        trust = None if settings.trusted_keys_file is None else Trust(settings.trusted_keys_file)
        return cls(settings.models_dir, settings.model, trust)

    def known(self) -> tuple[BundleAddress, ...]:
        """Every bundle of the directory, by name and then from the oldest version to the newest."""
        manifests = self._models_dir.glob(f"*/*/{MANIFEST}")
        addresses = (BundleAddress(path.parent.parent.name, path.parent.name) for path in manifests)
        return tuple(sorted(addresses, key=lambda address: (address.name, _natural_order(address.version))))

    def chosen(self) -> BundleAddress:
        """The bundle that ought to serve.

        Raises:
            BundleError: neither the setting nor `current` names a bundle that is there.
        """
        choice = self._model or self._current()
        for address in reversed(self.known()):
            if choice in (address.name, str(address)):
                return address
        msg = f"{choice} is not in the models directory; publish it there, or correct CXR_MODEL or the file {CURRENT!r}"
        raise BundleError(msg)

    def look(self) -> Stamp:
        """The chosen bundle, and the state of its files, which an unfinished copy or a new signature changes.

        Raises:
            BundleError: see `chosen`; or its files vanish while they are looked at.
        """
        address = self.chosen()
        try:
            files = [
                (path, path.stat()) for path in sorted((self._models_dir / address.name / address.version).iterdir())
            ]
            if self._trust is not None and self._trust.path.exists():
                files.append((self._trust.path, self._trust.path.stat()))
        except OSError as error:
            msg = f"{address} changes while it is looked at ({error.strerror})"
            raise BundleError(msg) from error
        return Stamp(address, tuple((path.name, stat.st_size, stat.st_mtime_ns) for path, stat in files))

    def open(self, address: BundleAddress) -> Bundle:
        """Read the bundle and check every hash.

        Raises:
            NotFoundError: there is none at this address.
            BundleError: it is altered, incomplete, not signed by a trusted key, or lies under another name.
        """
        if address not in self.known():
            msg = "there is no bundle of this name and version; GET /models lists those that are there"
            raise NotFoundError(msg)
        directory = self._models_dir / address.name / address.version
        bundle = (
            open_bundle(directory) if self._trust is None else open_bundle(directory, self._trust.accept(directory))
        )
        own_address = BundleAddress(bundle.manifest.name, bundle.manifest.version)
        if own_address != address:
            msg = f"the bundle at {address} calls itself {own_address}; move it to its own address"
            raise BundleError(msg)
        return bundle

    def _current(self) -> str:
        try:
            return (self._models_dir / CURRENT).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"the models directory has no readable file {CURRENT!r}; publish a bundle, or name one in CXR_MODEL"
            raise BundleError(msg) from error


def _natural_order(version: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", version))
