"""HTTP requests of this process: bounded answers, credentials from files that are read each time, and no proxy."""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from schemas.errors import SettingsError, UnavailableError
from service.security.secret_file import read_login, read_token


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status_code: int
    headers: httpx2.Headers
    content: bytes

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was asked to."""
        return 200 <= self.status_code < 300  # noqa: PLR2004 RFC 9110 15.3

    def json(self) -> Any:
        """Its body; None where that is not JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Caller:
    """One server, and how this process shows who it is."""

    client: httpx2.Client
    name: str
    """Of the server, in messages."""
    failure: type[UnavailableError]
    """Raised where no answer comes."""
    token_file: Path | None = None
    login_file: Path | None = None
    key_file: Path | None = None

    def ask(self, method: str, address: str, *, at_most: int, **request: Any) -> Answer:
        """Send a request, and read its answer up to `at_most` bytes.

        Raises:
            UnavailableError: of the kind of `failure`: no answer came, or one that cannot be taken.
        """
        headers = {"Accept-Encoding": "identity", **self.credentials(), **request.pop("headers", {})}
        try:
            with self.client.stream(method, address, headers=headers, **request) as response:
                if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
                    msg = f"{self.name} compressed its answer although it was asked not to; switch that off there"
                    raise self.failure(msg)
                content = bytearray()
                for chunk in response.iter_raw():
                    content += chunk
                    if len(content) > at_most:
                        msg = f"{self.name} answered with over {at_most} bytes; it is asked again"
                        raise self.failure(msg)
                return Answer(response.status_code, response.headers, bytes(content))
        except httpx2.HTTPError as error:  # its own text may hold the address, which holds UIDs
            msg = f"{self.name} gave no answer ({type(error).__name__}); it is asked again"
            raise self.failure(msg) from error

    def credentials(self) -> dict[str, str]:
        """The headers that show who asks.

        Raises:
            UnavailableError: of the kind of `failure`: a file cannot be read.
        """
        try:
            if self.key_file is not None:
                return {"X-API-Key": read_token(self.key_file)}
            if self.token_file is not None:
                return {"Authorization": f"Bearer {read_token(self.token_file)}"}
            if self.login_file is not None:
                login = base64.b64encode(read_login(self.login_file).encode()).decode("ascii")
                return {"Authorization": f"Basic {login}"}
        except (OSError, SettingsError) as error:
            msg = f"the credentials for {self.name} cannot be read ({type(error).__name__}); mend the file"
            raise self.failure(msg) from error
        return {}


@contextmanager
def open_client(url: str, timeout_s: float, context: ssl.SSLContext) -> Iterator[httpx2.Client]:
    """A client with this base address; it goes past no proxy of the environment."""
    base_url = url.rstrip("/") + "/"
    with httpx2.Client(base_url=base_url, timeout=timeout_s, verify=context, trust_env=False) as client:
        yield client


def trusting(authorities: Path | None, variable: str) -> ssl.SSLContext:
    """The context of connections to a server.

    Raises:
        SettingsError: the certificates cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:
        msg = f"{variable} holds no certificates that can be read; give a file in PEM"
        raise SettingsError(msg) from error
