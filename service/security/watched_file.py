"""A file whose content is parsed again whenever it was replaced, so that its owner need not restart the service."""

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from schemas.errors import CxrError, SettingsError
from service.settings.rules import named

Content = TypeVar("Content")

log = structlog.get_logger("service.security")


class WatchedFile(Generic[Content]):
    """The parsed content of a file, as of its last readable state.

    A replacement that cannot be parsed is refused once, with its reason in the log; what was read before stays
    in force. The file is looked at on every call: one `stat`, about a microsecond, and no delay that would let a
    revoked key live on.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], Content], *, secret: bool = False) -> None:
        """Read the file for the first time.

        Args:
            path: the file.
            secret: whether nobody but its owner should be able to read it.
            parse: raises `CxrError` where the bytes are not valid.

        Raises:
            SettingsError: it cannot be read or parsed.
        """
        self._path = path
        self._parse = parse
        self._secret = secret
        try:
            self._state = self._look()
            self._content = parse(path.read_bytes())
        except OSError as error:
            msg = f"{named(path)} cannot be read ({error.strerror}); create it, or correct the setting that names it"
            raise SettingsError(msg) from error
        warn_of_open_file(path, secret=secret)

    def current(self) -> Content:
        """The content, read again if the file was replaced or changed since."""
        state = self._look()
        if state != self._state:
            self._state = state  # even where reading fails: the reason is logged once, not on every request
            try:
                self._content = self._parse(self._path.read_bytes())
            except (OSError, CxrError) as error:
                log.error("file_refused", file=self._path.name, reason=str(error))  # noqa: TRY400 the reason is enough
            else:
                log.info("file_reloaded", file=self._path.name)
                warn_of_open_file(self._path, secret=self._secret)
        return self._content

    def _look(self) -> tuple[int, int, int, int] | None:
        """What changes when the file does; None where there is none."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 half the time of Path.stat, and this is done on every request
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size


def warn_of_open_file(path: Path, *, secret: bool) -> None:
    """Log that other users of this machine may write a file of keys, or read one that is secret.

    Not refused: volumes of containers and of other systems may have no other modes.
    """
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        others = [word for word, bits in (("read", 0o004 if secret else 0), ("written", 0o022)) if mode & bits]
        if others:
            log.warning(
                "file_open_to_others",
                file=path.name,
                mode=f"{mode:04o}",
                reason=f"it may be {' and '.join(others)} by other users of this machine",
                remedy=f"chmod {mode & ~0o027 if secret else mode & ~0o022:04o}, owned by the user of the service",
            )
