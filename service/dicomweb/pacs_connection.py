"""One request to the PACS: with credentials that a header can carry, and an answer that has a bound."""

import base64
import contextlib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from schemas.errors import PacsUnreachableError, SettingsError
from service.security.secret_file import read_login, read_token

LARGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""A search that ignores its filter names every instance of a study: about 1 kB for each."""
_FAULTS: Final[Mapping[type[BaseException], str]] = {
    ssl.SSLCertVerificationError: "its certificate is not trusted; give CXR_PACS_CA_FILE the certificates that vouch "
    "for it",
    ssl.SSLError: "it does not speak TLS as it should; check https and the port in CXR_PACS_URL",
    socket.gaierror: "its name is not known; check CXR_PACS_URL",
    ConnectionRefusedError: "nothing listens at its address; check CXR_PACS_URL, and that it runs",
    httpx2.ProxyError: "the proxy does not lead to it; check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
    httpx2.ConnectTimeout: "no connection within CXR_PACS_TIMEOUT_S; check CXR_PACS_URL, and the firewall",
    httpx2.TimeoutException: "it did not answer within CXR_PACS_TIMEOUT_S; see its load, or allow more",
    httpx2.ConnectError: "no connection to its address; check CXR_PACS_URL, and the network",
    httpx2.RemoteProtocolError: "it ended the connection without an answer in HTTP; check http, https and the port in "
    "CXR_PACS_URL",
    httpx2.NetworkError: "the connection broke; see the network, and the log of the PACS",
}
"""The most telling first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the PACS answered."""

    status_code: int
    headers: httpx2.Headers
    content: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks the PACS; the files are read at every request, as whoever renews a token replaces them."""

    token_file: Path | None
    login_file: Path | None

    def check(self) -> None:
        """Refuse at start what no header carries; a file that is not there yet may come.

        Raises:
            SettingsError: a file is there and holds no token, or no login.
        """
        try:
            self._read()
        except OSError:
            return
        except SettingsError as error:
            name = "CXR_PACS_LOGIN_FILE" if self.token_file is None else "CXR_PACS_TOKEN_FILE"
            msg = f"{name}: {error}"
            raise SettingsError(msg) from error

    def header(self, charset: str) -> Mapping[str, str]:
        """The header Authorization, or none where there are no credentials.

        Args:
            charset: of a login. Source: RFC 7617 2.1.

        Raises:
            PacsUnreachableError: a file cannot be read, or what it holds cannot be sent.
        """
        try:
            secret = self._read()
        except (OSError, SettingsError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            msg = f"the credentials for the PACS cannot be read ({reason}); mend the file"
            raise PacsUnreachableError(msg) from error
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


async def ask(client: httpx2.AsyncClient, method: str, address: str, **request: Any) -> Answer:
    """Send a request, and read its answer up to `LARGEST_ANSWER_BYTES`.

    Raises:
        PacsUnreachableError: no answer came, or one that is compressed or too large.
    """
    try:
        async with client.stream(method, address, **request) as response:
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if encoding not in ("", "identity"):
                msg = (
                    "the PACS compressed its answer although it was asked not to (Accept-Encoding: identity); switch "
                    "the compression off there, or in the proxy between"
                )
                raise PacsUnreachableError(msg)
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > LARGEST_ANSWER_BYTES:
                    msg = f"the PACS answered with over {LARGEST_ANSWER_BYTES} bytes; the delivery is tried again"
                    raise PacsUnreachableError(msg)
            return Answer(response.status_code, response.headers, bytes(content))
    except httpx2.HTTPError as error:
        msg = f"the PACS gave no answer: {_fault(error)}; the delivery is tried again"
        raise PacsUnreachableError(msg) from error


def _fault(error: httpx2.HTTPError) -> str:
    """What happened, and the remedy; nothing of the error's own text, which may hold the address, which holds UIDs."""
    chain: list[BaseException] = [error]
    for link in chain:  # grows
        chain += [cause for cause in (link.__cause__, link.__context__) if cause is not None and cause not in chain]
    return next(
        (words for kind, words in _FAULTS.items() if any(isinstance(link, kind) for link in chain)),
        "the request failed; see the log of the PACS",
    )
