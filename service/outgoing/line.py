"""HTTP to one counterpart: TLS with our certificate, credentials or tokens, and one more try where they are refused."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2

from service.outgoing.asking import Answer, ask
from service.outgoing.counterpart import Counterpart
from service.outgoing.credentials import Credentials
from service.outgoing.oauth import OAuthClient, Tokens
from service.outgoing.tls import ClientTls
from service.tracing.span import carrier, stage

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How a counterpart is reached."""

    counterpart: Counterpart
    timeout_s: float
    base_url: str = ""
    """Ends with a slash; empty: every address is whole."""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    token_file: Path | None = None
    login_file: Path | None = None
    oauth: OAuthClient | None = None


class Line:
    """Requests to one counterpart; no proxy of the environment is between, and no redirect is followed."""

    def __init__(
        self, client: httpx2.AsyncClient, tls: ClientTls, credentials: Credentials, tokens: Tokens | None
    ) -> None:
        self._client = client
        self._tls = tls
        self._credentials = credentials
        self._tokens = tokens

    @property
    def counterpart(self) -> Counterpart:
        """Who is called."""
        return self._credentials.counterpart

    async def ask(self, method: str, address: str, headers: Mapping[str, str], **request: Any) -> Answer:
        """Send a request, with what shows who asks.

        Raises:
            UnavailableError: there was no answer.
        """
        await asyncio.to_thread(self._tls.refresh)
        for charset in ("utf-8", "latin-1"):
            authorization = await self._authorization(charset)
            whole = {"Accept-Encoding": "identity", **headers, **authorization}
            answer = await self._traced(method, address, headers=whole, **request)
            if answer.status_code != HTTPStatus.UNAUTHORIZED or not self._may_try_again(authorization, answer):
                break
        return answer

    async def _traced(self, method: str, address: str, **request: Any) -> Answer:
        """Ask within a span, whose id the counterpart gets; its attributes hold no address, which may name a film."""
        with stage(method, "client") as span:
            request["headers"] |= carrier()
            if span is None:
                return await ask(self._client, self.counterpart, method, address, **request)
            url = self._client.base_url.join(address)
            port = url.port or _PORTS.get(url.scheme, 0)
            span.set({"http.request.method": method, "server.address": url.host, "server.port": port})
            answer = await ask(self._client, self.counterpart, method, address, **request)
            span.set({"http.response.status_code": answer.status_code})
            if answer.status_code >= HTTPStatus.BAD_REQUEST:
                span.fail(str(answer.status_code))
            return answer

    async def _authorization(self, charset: str) -> Mapping[str, str]:
        if self._tokens is not None:
            return {"Authorization": f"Bearer {await self._tokens.token()}"}
        return await asyncio.to_thread(self._credentials.header, charset)

    def _may_try_again(self, authorization: Mapping[str, str], answer: Answer) -> bool:
        if self._tokens is None:
            return self._credentials.may_be_in_latin_1(answer.headers)
        self._tokens.forget(authorization["Authorization"].removeprefix("Bearer "))
        return True


@asynccontextmanager
async def open_line(options: LineOptions) -> AsyncIterator[Line]:
    """Open a line.

    Raises:
        SettingsError: certificates cannot be read, or credentials cannot be sent.
    """
    counterpart = options.counterpart
    credentials = Credentials(options.token_file, options.login_file, counterpart)
    credentials.check()
    tls = ClientTls(options.ca_file, options.cert_file, options.key_file, counterpart.prefix)
    # HTTP_PROXY and its kin are meant for the internet: they must not send patients' results past a proxy.
    async with httpx2.AsyncClient(
        base_url=options.base_url, timeout=options.timeout_s, verify=tls.context, trust_env=False
    ) as client:
        tokens = None if options.oauth is None else Tokens(client, options.oauth, counterpart)
        if tokens is not None:
            tokens.check()
        yield Line(client, tls, credentials, tokens)
