"""Single HTTP exchanges with a registry and what it leads to: TLS, redirects, bounded answers."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from bundle.stores.faults import broken_connections_named
from bundle.stores.source import StoreOptions, StoreRefusedError
from schemas.errors import BundleError

PIECE: Final = 1024 * 1024
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)

Body = Callable[[], Any] | None
"""Returns the content of a request: it is called for each attempt, as a stream can be read once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    url: str
    headers: Mapping[str, str]
    params: Mapping[str, str] | None = None
    body: Body = None


class Transport:
    """A client that follows redirects by itself.

    Invariant: credentials go to the origin of the registry, never to where a redirect leads.
    """

    def __init__(self, where: str, base: str, options: StoreOptions) -> None:
        """Open nothing yet.

        Args:
            where: host and repository, for messages.
            base: address of the repository; its origin gets the credentials.
            options: how the registry is reached.

        Raises:
            StoreRefusedError: the certificates of `options.ca_file` cannot be read.
        """
        self.where = where
        self._origin = _origin_of(base)
        self._options = options
        self._context = _context(options.ca_file)
        self._client: httpx2.Client | None = None

    @property
    def client(self) -> httpx2.Client:
        """Keeps connections until `close`."""
        if self._client is None:
            self._client = httpx2.Client(
                timeout=self._options.timeout_s, verify=self._context, headers={"User-Agent": "cxr-classifier"}
            )
        return self._client

    def close(self) -> None:
        """Close the connections; another request opens others."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def is_registry(self, url: str | httpx2.URL) -> bool:
        """Whether an address has the origin of the registry: what another one says of logins is not followed."""
        return _origin_of(url) == self._origin

    def send(self, asked: Asked, authorization: str | None) -> httpx2.Response:
        """The answer of the last address, its body not yet read; the caller closes it.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the other end is not to be trusted, or leads from TLS to plain HTTP.
        """
        url = asked.url
        for _ in range(_MOST_REDIRECTS):
            headers = {"Accept-Encoding": "identity", **asked.headers}
            if authorization is not None and self.is_registry(url):
                headers["Authorization"] = authorization
            content = None if asked.body is None else asked.body()
            request = self.client.build_request(
                asked.method, url, headers=headers, content=content, params=asked.params
            )
            response = self.open(request)
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            url = str(httpx2.URL(url).join(response.headers["Location"]))
            self.require_tls(url)
        msg = f"{self.where} redirects more than {_MOST_REDIRECTS} times; see its configuration"
        raise StoreRefusedError(msg)

    def open(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to one request, its body not yet read; the caller closes it.

        Raises:
            StoreUnavailableError: there was no answer.
            StoreRefusedError: the other end is not to be trusted.
        """
        with broken_connections_named(self.where, self._options.timeout_s):
            return self.client.send(request, stream=True)

    def require_tls(self, url: str) -> None:
        """Refuse plain HTTP where it is not allowed.

        Raises:
            StoreRefusedError: it is not.
        """
        if urlsplit(url).scheme != "https" and not self._options.allow_http:
            msg = (
                f"{self.where} leads to an address without TLS; correct that there, or allow it in a network of your "
                "own (CXR_STORE_ALLOW_HTTP=true, --allow-http)"
            )
            raise StoreRefusedError(msg)

    def pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        """The body of an answer.

        Raises:
            StoreUnavailableError: it broke off.
        """
        with broken_connections_named(self.where, self._options.timeout_s):
            yield from response.iter_bytes(PIECE)

    def bounded(self, response: httpx2.Response, largest: int, what: str) -> bytes:
        """The whole body of an answer.

        Raises:
            StoreUnavailableError: it broke off.
            BundleError: it is larger.
        """
        content = bytearray()
        for piece in self.pieces(response):
            content += piece
            if len(content) > largest:
                msg = f"{self.where}: {what} has over {largest} bytes; this is not a bundle"
                raise BundleError(msg)
        return bytes(content)


def _origin_of(url: str | httpx2.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port; the port that a scheme implies is None, however it was written."""
    parsed = httpx2.URL(url)
    return parsed.scheme, parsed.host, parsed.port


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            msg = f"{ca_file.name} holds no certificates that can be read; name a file in PEM (CXR_STORE_CA_FILE)"
            raise StoreRefusedError(msg) from error
    return context
