"""What went wrong with a store, in words: the value, the rule, the remedy, and nothing of what a library wrote."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, NoReturn

import httpx2

from bundle.stores.source import StoreRefusedError, StoreUnavailableError
from schemas.errors import CxrError

_UNREACHABLE: Final[Mapping[type[BaseException], str]] = {
    socket.gaierror: "its name is not known; check the address",
    ConnectionRefusedError: "nothing listens there; check host and port, and that it runs",
    httpx2.ProxyError: "the proxy does not lead to it; check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
    httpx2.ConnectTimeout: "no connection within {timeout_s:g} s; check host and firewall",
    httpx2.TimeoutException: "no answer within {timeout_s:g} s; see its load, or allow more (CXR_STORE_TIMEOUT_S)",
    httpx2.ConnectError: "no connection; check host, port and network",
    httpx2.RemoteProtocolError: "it ended the connection in the middle, or does not speak HTTP; check host and port",
}
"""The most telling first."""
_CERTIFICATE: Final = (
    "its certificate is not trusted; name the certificates that vouch for it (CXR_STORE_CA_FILE, --ca-file)"
)
_TLS: Final = (
    "it does not speak TLS; check the port, or allow plain HTTP in a network of your own (CXR_STORE_ALLOW_HTTP=true, "
    "--allow-http)"
)
_STATUSES: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "it does not know the login; {login}",
    HTTPStatus.FORBIDDEN: "this login may not do that; ask for the right to {right} there",
    HTTPStatus.NOT_FOUND: "it has no {what}; check the address, or push it with `python -m export push`",
}
_BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
_OCI_LOGIN: Final = "write it into docker's config.json (`docker login`), whose folder DOCKER_CONFIG names"


@contextmanager
def broken_connections_named(address: str, timeout_s: float) -> Iterator[None]:
    """Errors of the connection as ours.

    Raises:
        StoreUnavailableError: there was no answer.
        StoreRefusedError: the other end is not to be trusted, or does not speak TLS.
    """
    try:
        yield
    except (httpx2.HTTPError, OSError) as error:
        raise fault_of(error, address, timeout_s) from error


def fault_of(error: Exception, address: str, timeout_s: float) -> CxrError:
    """Ours for one of httpx2, of TLS or of a socket."""
    chain: list[BaseException] = [error]
    for link in chain:  # grows
        chain += [cause for cause in (link.__cause__, link.__context__) if cause is not None and cause not in chain]
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return StoreRefusedError(f"{address}: {_CERTIFICATE}")
    if any(isinstance(link, ssl.SSLError) for link in chain):
        return StoreRefusedError(f"{address}: {_TLS}")
    for kind, words in _UNREACHABLE.items():
        if any(isinstance(link, kind) for link in chain):
            return StoreUnavailableError(f"{address} gave no answer: {words.format(timeout_s=timeout_s)}")
    return StoreUnavailableError(f"{address} gave no answer: the connection broke; see the network, and its log")


def refuse_status(status: int, address: str, *, what: str, right: str = "pull") -> NoReturn:
    """Raise what a status of a registry means.

    Raises:
        StoreUnavailableError: it may be another later.
        StoreRefusedError: it stays.
    """
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _BUSY:
        msg = f"{address} answered {status} for {what}: it cannot answer now; see its log"
        raise StoreUnavailableError(msg)
    words = _STATUSES.get(status, "it refuses; see its log")
    msg = f"{address} answered {status} for {what}: {words.format(login=_OCI_LOGIN, right=right, what=what)}"
    raise StoreRefusedError(msg)
