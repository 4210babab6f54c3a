"""An access token by client credentials: asked for once, kept until shortly before its end.

Source: RFC 6749 4.4 (the grant), 2.3.1 (client id and secret); RFC 7523 2.2 (private_key_jwt).
"""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import httpx2
import jwt
from pydantic import Field, model_validator

from schemas.errors import SettingsError
from schemas.record import Record
from service.outgoing.asking import Answer, ask
from service.outgoing.counterpart import Counterpart
from service.security.secret_file import read_secret, read_token
from service.security.watched_file import warn_of_open_file

ASSERTION_S: Final = 60
"""Life of an assertion that is signed for one request."""
UNSTATED_S: Final = 300.0
"""Life of a token whose server does not state one."""
EARLY_S: Final = 30.0
"""By which a token is renewed before its end, or by half of a shorter life."""
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class OAuthClient(Record):
    """Who asks for a token, and where."""

    token_url: str = Field(pattern=r"^https?://[^@?#\s]+$", description="token endpoint")
    client_id: str = Field(min_length=1, max_length=200)
    secret_file: Path | None = Field(default=None, description="file with the client's secret")
    key_file: Path | None = Field(
        default=None, description="instead: private key (PEM) that signs assertions, private_key_jwt"
    )
    algorithm: str = Field(default="RS256", pattern=r"^(RS|PS|ES)(256|384|512)$|^EdDSA$")
    key_id: str | None = Field(default=None, description="kid of this key, where the server wants one")
    scope: str | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> "OAuthClient":
        if (self.secret_file is None) == (self.key_file is None):
            msg = "oauth needs secret_file or key_file, and not both"
            raise ValueError(msg)
        return self


class Tokens:
    """The tokens of one client.

    Invariant: at most one request for a token is under way.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        options: OAuthClient,
        counterpart: Counterpart,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._options = options
        self._counterpart = replace(counterpart, what=f"the token endpoint of {counterpart.what}")
        self._clock = clock
        self._token: str | None = None
        self._renew_at = 0.0
        self._asking = asyncio.Lock()

    def check(self) -> None:
        """Refuse at start what cannot be sent; a file that is not there yet may come.

        Raises:
            SettingsError: a file is there and holds no secret, or no key.
        """
        file = self._options.secret_file or self._options.key_file
        if file is not None and file.exists():
            warn_of_open_file(file, secret=True)
            self._proof()

    async def token(self) -> str:
        """A token that is valid.

        Raises:
            UnavailableError: there is none now.
        """
        async with self._asking:
            if self._token is None or self._clock() >= self._renew_at:
                self._token, life_s = await self._ask()
                self._renew_at = self._clock() + life_s - min(EARLY_S, life_s / 2)
            return self._token

    def forget(self, token: str) -> None:
        """The token was refused, although its end has not come."""
        if self._token == token:
            self._token = None

    async def _ask(self) -> tuple[str, float]:
        try:
            headers, fields = await asyncio.to_thread(self._proof)
        except (OSError, SettingsError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            msg = f"the secret for {self._counterpart.what} cannot be read ({reason}); mend the file"
            raise self._counterpart.unreachable(msg) from error
        form = {"grant_type": "client_credentials", **fields}
        if self._options.scope is not None:
            form["scope"] = self._options.scope
        headers |= {"Accept": "application/json", "Accept-Encoding": "identity"}
        url = self._options.token_url
        answer = await ask(self._client, self._counterpart, "POST", url, data=form, headers=headers)
        return self._read(answer)

    def _read(self, answer: Answer) -> tuple[str, float]:
        try:
            body: Any = json.loads(answer.content)
            token = str(body["access_token"])
            life_s = float(body.get("expires_in", UNSTATED_S))
            if token.isascii() and token.isprintable() and str(body.get("token_type", "Bearer")).lower() == "bearer":
                return token, max(0.0, life_s)
        except (ValueError, TypeError, KeyError, AttributeError):  # an error is a body too, RFC 6749 5.2
            pass
        msg = (
            f"{self._counterpart.what} gave no bearer token but status {answer.status_code}; check client id, secret "
            "and scope there"
        )
        raise self._counterpart.unreachable(msg)

    def _proof(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form fields that prove who asks."""
        options = self._options
        if options.secret_file is not None:
            # RFC 6749 2.3.1: both are form-encoded before they are joined.
            login = f"{quote_plus(options.client_id)}:{quote_plus(read_token(options.secret_file))}"
            return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode('ascii')}"}, {}
        now = int(time.time())
        claims = {
            "iss": options.client_id,
            "sub": options.client_id,
            "aud": options.token_url,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + ASSERTION_S,
        }
        headers = None if options.key_id is None else {"kid": options.key_id}
        key = "" if options.key_file is None else read_secret(options.key_file)  # by the record there is one
        try:
            assertion = jwt.encode(claims, key, options.algorithm, headers)
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            msg = (
                f"{options.key_file} holds no private key for {options.algorithm}; give one in PEM, without a password"
            )
            raise SettingsError(msg) from error
        return {}, {
            "client_id": options.client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
