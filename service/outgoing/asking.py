"""One request to a counterpart, and an answer that has a bound."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from service.outgoing.counterpart import Counterpart

LARGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""A search that ignores its filter names every instance of a study: about 1 kB for each."""
_FAULTS: Final[Mapping[type[BaseException], str]] = {
    ssl.SSLCertVerificationError: "its certificate is not trusted; give {ca_file} the certificates that vouch for it",
    ssl.SSLError: "it does not speak TLS as it should, or demands another certificate; check https and the port in "
    "{url}, and {tls_cert_file}",
    socket.gaierror: "its name is not known; check {url}",
    ConnectionRefusedError: "nothing listens at its address; check {url}, and that it runs",
    httpx2.ProxyError: "the proxy does not lead to it; check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
    httpx2.ConnectTimeout: "no connection within {timeout_s}; check {url}, and the firewall",
    httpx2.TimeoutException: "it did not answer within {timeout_s}; see its load, or allow more",
    httpx2.ConnectError: "no connection to its address; check {url}, and the network",
    httpx2.RemoteProtocolError: "it ended the connection without an answer in HTTP; check http, https and the port in "
    "{url}",
    httpx2.NetworkError: "the connection broke; see the network, and the log of {what}",
}
"""The most telling first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the counterpart answered."""

    status_code: int
    headers: httpx2.Headers
    content: bytes


async def ask(
    client: httpx2.AsyncClient,
    counterpart: Counterpart,
    method: str,
    address: str,
    *,
    at_most: int = LARGEST_ANSWER_BYTES,
    **request: Any,
) -> Answer:
    """Send a request, and read its answer up to `at_most` bytes.

    Raises:
        UnavailableError: `counterpart.unreachable`; no answer came, or one that is compressed or too large.
    """
    what = counterpart.what
    try:
        async with client.stream(method, address, **request) as response:
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if encoding not in ("", "identity"):
                msg = (
                    f"{what} compressed its answer although it was asked not to (Accept-Encoding: identity); switch "
                    "the compression off there, or in the proxy between"
                )
                raise counterpart.unreachable(msg)
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > at_most:
                    msg = f"{what} answered with over {at_most} bytes; the delivery is tried again"
                    raise counterpart.unreachable(msg)
            return Answer(response.status_code, response.headers, bytes(content))
    except (httpx2.HTTPError, OSError) as error:  # ssl.SSLError of TLS 1.3 comes as it is: a demand for a certificate
        msg = f"{what} gave no answer: {fault_of(error, counterpart)}; the delivery is tried again"
        raise counterpart.unreachable(msg) from error


def fault_of(error: Exception, counterpart: Counterpart) -> str:
    """What happened, and the remedy; nothing of the error's own text, which may hold the address, which holds UIDs."""
    chain: list[BaseException] = [error]
    for link in chain:  # grows
        chain += [cause for cause in (link.__cause__, link.__context__) if cause is not None and cause not in chain]
    words = next(
        (words for kind, words in _FAULTS.items() if any(isinstance(link, kind) for link in chain)),
        "the request failed; see the log of {what}",
    )
    names = {field: counterpart.setting(field) for field in ("url", "ca_file", "tls_cert_file", "timeout_s")}
    return words.format(what=counterpart.what, **names)
