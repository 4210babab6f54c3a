"""Whose bundles are served: those signed by a key of the operator's file, where there is one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bundle.signature import check_signature, parse_trusted_keys
from service.security.watched_file import WatchedFile


class Trust:
    """Knows the trusted keys; the file is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            SettingsError: it cannot be read, or holds no keys.
        """
        self.path = path
        self._keys = WatchedFile(path, parse_trusted_keys)

    def accept(self, directory: Path) -> Callable[[bytes], None]:
        """`check` of the bundle in this directory, for `bundle.opening.open_bundle`."""
        return partial(self.check, directory)

    def check(self, directory: Path, manifest: bytes) -> None:
        """Refuse a bundle that no trusted key has signed; see `bundle.signature.check_signature`.

        Raises:
            UntrustedBundleError: there is no signature, or it was made by an unknown key or over other bytes.
        """
        check_signature(directory, manifest, self._keys.current())
