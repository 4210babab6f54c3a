"""The folder of site profiles: one signed file for each bundle, named by the hash of its manifest."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Self

from pydantic import Field, ValidationError

from bundle.opening import Bundle
from bundle.reading import LARGEST_MANIFEST, read_regular
from bundle.signature import DetachedSignature, Keys, parse_trusted_keys
from schemas.errors import BundleError, UntrustedBundleError
from schemas.model.manifest import BundleManifest
from schemas.model.precision import Precision
from schemas.record import Record
from schemas.site_profile import SiteProfile
from service.security.watched_file import WatchedFile
from service.settings import EvidenceSettings

_REMEDY: Final = (
    "make it again with `python -m service site profile`, or revoke it with `python -m service site revoke`"
)


class SignedProfile(Record):
    """The content of a profile's file: one file, so that profile and signature change together."""

    profile: str = Field(description="a `SiteProfile` as JSON; these bytes in UTF-8 are signed")
    signature: DetachedSignature


class SiteOperatingPoint(NamedTuple):
    """A profile whose signature was right."""

    profile: SiteProfile
    sha256: str
    """Of the signed bytes."""


class SiteProfiles:
    """Reads the profiles that a key of the site has signed; a bundle whose profile is not in order is not served.

    Serving it at its own operating point would break, without a word, the promise on which the site relies.
    """

    def __init__(self, folder: Path, keys_file: Path) -> None:
        """Read the keys; they are read again when their file changes.

        Raises:
            SettingsError: the file of keys cannot be read, or holds none.
        """
        self._folder = folder
        self._keys_file = keys_file
        self._keys: WatchedFile[Keys] = WatchedFile(keys_file, parse_trusted_keys)

    @classmethod
    def of(cls, settings: EvidenceSettings) -> Self | None:
        """Those of the settings; None where no folder is configured.

        Raises:
            SettingsError: see `SiteProfiles`.
        """
        if settings.site_profiles_dir is None or settings.site_keys_file is None:
            return None
        return cls(settings.site_profiles_dir, settings.site_keys_file)

    def find(self, bundle: Bundle) -> SiteOperatingPoint | None:
        """The profile of this bundle; None where the site has none.

        Raises:
            UntrustedBundleError: none of the site's keys has signed it.
            BundleError: it cannot be read, or is of another bundle.
        """
        path = profile_path(self._folder, bundle.sha256)
        if not path.exists():
            return None
        found = read_profile(path, self._keys.current())
        if found.profile.model_sha256 != bundle.sha256:
            msg = (
                f"the site profile is of {found.profile.model}, whose manifest has the hash "
                f"{found.profile.model_sha256[:12]}…, and not of {_named(bundle.manifest)} ({bundle.sha256[:12]}…); "
                f"{_REMEDY}"
            )
            raise BundleError(msg)
        return found

    def states(self, model_sha256: str) -> Iterator[tuple[str, Path]]:
        """The files on which the operating point of a bundle depends, as far as they are there, with a name of each."""
        for path in (profile_path(self._folder, model_sha256), self._keys_file):
            if path.exists():
                yield f"site {path.name}", path


def profile_path(folder: Path, model_sha256: str) -> Path:
    """Where the profile of a bundle lies."""
    return folder / f"{model_sha256}.json"


def read_profile(path: Path, keys: Keys) -> SiteOperatingPoint:
    """A profile and the hash of its signed bytes.

    Raises:
        UntrustedBundleError: none of the keys has signed it.
        BundleError: it cannot be read, or is not a profile.
    """
    with _reading():
        signed = SignedProfile.model_validate_json(read_regular(path, LARGEST_MANIFEST))
    content = signed.profile.encode()
    key = keys.get(signed.signature.key_id)
    if key is None or not signed.signature.signs(content, key):
        msg = (
            f"the site profile is not signed by a key of CXR_SITE_KEYS_FILE (it names key {signed.signature.key_id}); "
            f"add the key there, or {_REMEDY}"
        )
        raise UntrustedBundleError(msg)
    with _reading():
        return SiteOperatingPoint(SiteProfile.model_validate_json(content), sha256(content).hexdigest())


def applied(found: SiteOperatingPoint, bundle: Bundle, precision: Precision) -> BundleManifest:
    """The manifest of the bundle as the site answers with it.

    Args:
        found: the site's operating point of this bundle.
        bundle: as it is on the disk.
        precision: at which it serves.

    Raises:
        BundleError: the profile does not fit the bundle, or was made at another precision.
    """
    if found.profile.precision != precision:
        msg = (
            f"the site profile was made with the {found.profile.precision} graph and the bundle serves at {precision}, "
            f"whose probabilities differ; set CXR_PRECISION={found.profile.precision}, or {_REMEDY}"
        )
        raise BundleError(msg)
    try:
        return found.profile.applied_to(bundle.manifest, found.sha256)
    except ValueError as error:
        msg = f"the site profile does not fit: {error}; {_REMEDY}"
        raise BundleError(msg) from error


def _named(manifest: BundleManifest) -> str:
    return f"{manifest.name}/{manifest.version}"


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"the site profile cannot be read ({error.strerror}); {_REMEDY}"
        raise BundleError(msg) from error
    except ValidationError as error:
        msg = f"the site profile is not one of this version of the service; {_REMEDY}"
        raise BundleError(msg) from error
