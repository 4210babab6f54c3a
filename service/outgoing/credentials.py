"""Who asks: a bearer token or a login out of a file, read at every request, as whoever renews it replaces the file."""

import base64
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import SettingsError
from service.outgoing.counterpart import Counterpart
from service.security.secret_file import read_login, read_token
from service.security.watched_file import warn_of_open_file


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, a login, or none of the two."""

    token_file: Path | None
    login_file: Path | None
    counterpart: Counterpart

    def check(self) -> None:
        """Refuse at start what no header carries; a file that is not there yet may come.

        Raises:
            SettingsError: a file is there and holds no token, or no login.
        """
        for file in filter(None, (self.token_file, self.login_file)):
            warn_of_open_file(file, secret=True)
        try:
            self._read()
        except OSError:
            return
        except SettingsError as error:
            name = self.counterpart.setting("login_file" if self.token_file is None else "token_file")
            msg = f"{name}: {error}"
            raise SettingsError(msg) from error

    def header(self, charset: str) -> Mapping[str, str]:
        """The header Authorization, or none where there are no credentials.

        Args:
            charset: of a login. Source: RFC 7617 2.1.

        Raises:
            UnavailableError: a file cannot be read, or what it holds cannot be sent.
        """
        try:
            secret = self._read()
        except (OSError, SettingsError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            msg = f"the credentials for {self.counterpart.what} cannot be read ({reason}); mend the file"
            raise self.counterpart.unreachable(msg) from error
        if secret is None:
            return {}
        if self.token_file is not None:
            return {"Authorization": f"Bearer {secret}"}
        return {"Authorization": f"Basic {base64.b64encode(secret.encode(charset)).decode('ascii')}"}

    def may_be_in_latin_1(self, challenge: Mapping[str, str]) -> bool:
        """Whether a refused login may be accepted in Latin-1, as servers read it before RFC 7617 named UTF-8."""
        if self.login_file is None or 'charset="utf-8"' in challenge.get("WWW-Authenticate", "").lower():
            return False
        with contextlib.suppress(OSError, SettingsError):  # the next request reads it again, and reports it
            login = self._read() or ""
            return not login.isascii() and login == login.encode("latin-1", "replace").decode("latin-1")
        return False

    def _read(self) -> str | None:
        if self.token_file is not None:
            return read_token(self.token_file)
        return None if self.login_file is None else read_login(self.login_file)
