"""The models directory: which bundles are in it, and which one is chosen to serve."""

import codecs
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Self

from bundle.opening import Bundle, open_bundle
from bundle.reading import LARGEST_LINE, LARGEST_MANIFEST, read_regular
from bundle.versions import is_version, parse_version, preference
from schemas.errors import BundleError, NotFoundError
from schemas.model.manifest import CURRENT, MANIFEST
from service.models.site_profiles import SiteProfiles
from service.models.store_watch import StoreWatch
from service.models.trust import Trust
from service.settings import ModelSettings

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class BundleAddress(NamedTuple):
    """Where a bundle lies below the models directory."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A bundle and the state of its files; two stamps are equal where nothing changed."""

    address: BundleAddress
    files: tuple[tuple[str, int, int, int, int], ...]
    """Name, size, time of change, time of change of its inode, and inode of each: who writes a file can set back the
    second and keep the first, but not the third."""
    manifest: str
    """SHA-256, for what is written twice within one tick of the clock."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What ought to serve."""

    text: str
    """Of the setting or of the file `current`."""
    bundles: tuple[Stamp, ...]
    """The best first: one that is refused gives way to the next."""


class BundleRegistry:
    """Finds bundles; it looks at the disk at every call, so what was copied in is known at once.

    Nothing that a caller sends becomes part of a path: it is only compared with what was found.
    """

    def __init__(
        self,
        models_dir: Path,
        model: str | None,
        trust: Trust | None = None,
        profiles: SiteProfiles | None = None,
        *,
        check: Callable[[Bundle], None] = lambda _bundle: None,
    ) -> None:
        """Nothing is looked at yet.

        Args:
            models_dir: the directory.
            model: `name`, `name/version`, or None for the content of the file `current`.
            trust: whose bundles are opened; None: anybody's.
            profiles: of the site, whose change is one of the bundle; None: there are none.
            check: raises `BundleError` where a bundle is not the one that a store offers.
        """
        self._models_dir = models_dir
        self._model = model
        self._trust = trust
        self._profiles = profiles
        self._check = check

    @classmethod
    def of(cls, settings: ModelSettings, profiles: SiteProfiles | None = None, store: StoreWatch | None = None) -> Self:
        """The registry that the settings describe; with several bundles, see `choosing`.

        Raises:
            SettingsError: the file of trusted keys cannot be read, or holds none.
        """
        trust = None if settings.trusted_keys_file is None else Trust(settings.trusted_keys_file)
        if store is None:
            return cls(settings.bundles_dir, settings.model, trust, profiles)
        return cls(settings.bundles_dir, settings.model, trust, profiles, check=store.mirror.check)

    def choosing(self, model: str) -> "BundleRegistry":
        """The same directory and the same trust, with another choice."""
        return BundleRegistry(self._models_dir, model, self._trust, self._profiles, check=self._check)

    def known(self) -> tuple[BundleAddress, ...]:
        """Every whole bundle of the directory, by name and then from the oldest version to the newest.

        A folder whose name is not a version, such as `old` or `2.0.0.bak`, is somebody's own; one that lacks a file of
        its manifest is being copied.
        """
        return tuple(address for address in self._present() if self._missing(address) is None)

    def candidates(self) -> tuple[BundleAddress, ...]:
        """The bundles that ought to serve, the best first: more than one where a name alone was chosen.

        Raises:
            BundleError: neither the setting nor `current` names a bundle that is there.
        """
        return self._candidates(self._choice())

    def look(self) -> Choice:
        """The chosen bundles, and the state of their files, which an unfinished copy or a new signature changes.

        Raises:
            BundleError: see `candidates`; or every one of them vanishes while it is looked at.
        """
        choice = self._choice()
        candidates = self._candidates(choice)
        stamps: list[Stamp] = []
        reason = None
        for address in candidates:
            try:
                stamps.append(self._stamp(address))
            except OSError as error:
                reason = error
        if not stamps and reason is not None:
            msg = f"{candidates[0]} changes while it is looked at ({reason.strerror})"
            raise BundleError(msg) from reason
        return Choice(choice, tuple(stamps))

    def open(self, address: BundleAddress) -> Bundle:
        """Read the bundle and check every hash.

        Raises:
            NotFoundError: there is none at this address.
            BundleError: it is altered, incomplete, not signed by a trusted key, or lies under another name.
        """
        if address not in self._present():
            msg = "there is no bundle of this name and version; GET /models lists those that are there"
            raise NotFoundError(msg)
        # Of a store's copy this is a link: what serves stays where it is, whatever the store offers later.
        directory = (self._models_dir / address.name / address.version).resolve()
        bundle = (
            open_bundle(directory) if self._trust is None else open_bundle(directory, self._trust.accept(directory))
        )
        own_address = BundleAddress(bundle.manifest.name, bundle.manifest.version)
        if own_address != address:
            msg = f"the bundle at {address} calls itself {own_address}; move it to its own address"
            raise BundleError(msg)
        self._check(bundle)
        return bundle

    def _present(self) -> tuple[BundleAddress, ...]:
        """Folders that hold a manifest under a name and a version, whole or not, in the order of `known`."""
        manifests = self._models_dir.glob(f"*/*/{MANIFEST}")
        addresses = (BundleAddress(path.parent.parent.name, path.parent.name) for path in manifests)
        bundles = [each for each in addresses if all(map(_NAME.fullmatch, each)) and is_version(each.version)]
        return tuple(sorted(bundles, key=lambda each: (each.name, parse_version(each.version), each.version)))

    def _missing(self, address: BundleAddress) -> str | None:
        """A file that the manifest lists and the folder lacks; a manifest that cannot be read lacks nothing."""
        directory = self._models_dir / address.name / address.version
        try:
            files = json.loads(read_regular(directory / MANIFEST, LARGEST_MANIFEST))["files"]
            present = {path.name for path in directory.iterdir()}
            return next((str(name) for name in files if name not in present), None)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def _candidates(self, choice: str) -> tuple[BundleAddress, ...]:
        present = self._present()
        if named := tuple(address for address in present if str(address) == choice):
            return named
        versions = [address for address in present if address.name == choice]
        whole = [address for address in versions if self._missing(address) is None]
        if best := sorted(whole or versions, key=lambda address: preference(address.version), reverse=True):
            return tuple(best)
        msg = (
            f"{choice} is not in the models directory; publish it there under a version such as 2.0.0, or correct "
            f"CXR_MODEL, CXR_MODELS or the file {CURRENT!r}"
        )
        raise BundleError(msg)

    def _stamp(self, address: BundleAddress) -> Stamp:
        directory = self._models_dir / address.name / address.version
        states = [(path.name, path.lstat()) for path in sorted(directory.iterdir())]
        if self._trust is not None and self._trust.path.exists():
            states.append((self._trust.path.name, self._trust.path.stat()))
        try:
            digest = sha256(read_regular(directory / MANIFEST, LARGEST_MANIFEST)).hexdigest()
        except OSError:  # `open` will say what is wrong with it
            digest = ""
        if self._profiles is not None:
            states += [(name, path.stat()) for name, path in self._profiles.states(digest)]
        return Stamp(
            address,
            tuple((name, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino) for name, at in states),
            digest,
        )

    def _choice(self) -> str:
        return self._model or self._current()

    def _current(self) -> str:
        try:
            lines = _text(read_regular(self._models_dir / CURRENT, LARGEST_LINE)).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            msg = (
                f"the models directory has no readable file {CURRENT!r} ({reason}); publish a bundle, or name one in "
                "CXR_MODEL"
            )
            raise BundleError(msg) from error
        names = [name for line in lines if (name := line.partition("#")[0].strip().rstrip("/"))]
        if len(names) != 1:
            msg = f"the file {CURRENT!r} names {len(names)} bundles; write NAME/VERSION into it, on one line"
            raise BundleError(msg)
        return names[0]


def _text(content: bytes) -> str:
    """Text as the editors of all systems write it: PowerShell's is UTF-16, and some put a byte order mark before it."""
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig")
