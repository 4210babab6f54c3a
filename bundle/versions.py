"""Versions of bundles, compared as versions: 1.10.0 is newer than 1.9.0, and `old` is not a version.

Source: PEP 440, which reads the final and release-candidate versions of Semantic Versioning too.
"""

from packaging.version import InvalidVersion, Version

from schemas.errors import BundleError


def parse_version(text: str) -> Version:
    """The version that a folder's name or a setting states.

    Raises:
        BundleError: it does not parse.
    """
    try:
        return Version(text)
    except InvalidVersion as error:
        msg = f"{text!r} is not a version; name it as 2.0.0, or 2.0.0-rc1 before its release"
        raise BundleError(msg) from error


def is_version(text: str) -> bool:
    """Whether a folder's name is a version; `2.0.0.bak`, `old` and `copy of 2.0.0` are not."""
    try:
        parse_version(text)
    except BundleError:
        return False
    return True


def preference(text: str) -> tuple[bool, Version]:
    """Sorts from what is served last to what is served first: every final goes before every pre-release.

    Raises:
        BundleError: see `parse_version`.
    """
    version = parse_version(text)
    return not version.is_prerelease, version
