"""The gate before the routes: who calls, whether they may, and whether they have films left."""

import asyncio
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Final

from schemas.errors import ForbiddenError, OverloadedError, QuotaError, UnauthenticatedError
from service.metrics import Metrics
from service.security.callers import ANONYMOUS, LOCAL, Caller, Scope
from service.security.hosts import HostNames, host_of
from service.security.keys import ApiKey, KeyFile, PresentedKey, decoy_key, parse_keys, take_apart
from service.security.quota import Quota
from service.security.watched_file import WatchedFile
from service.settings import SecuritySettings, TokenSettings

_GUESSES_AT_ONCE: Final = 8  # hashing one takes 50 ms and 16 MiB; guessing must not take the cores from films

_ANOTHER_NAME: Final = (
    "the header Host names no loopback address, and without keys the service answers as localhost, 127.0.0.1 or [::1] "
    "alone; use one of these, or set CXR_API_KEYS_FILE, CXR_ALLOWED_HOSTS to the names of this service, or "
    "CXR_ALLOW_ANONYMOUS=true where a proxy checks callers"
)
_UNKNOWN_NAME: Final = (
    "the header Host names a host that another site may own, and a caller without a key may not ask under it; ask by "
    "the address of this service, send a key, or set CXR_ALLOWED_HOSTS to the names under which it is reached"
)
_ANOTHER_SITE: Final = (
    "the header Sec-Fetch-Site or Origin names a page of another site, and without a key only the service's own page "
    "may ask; give its caller a key (CXR_API_KEYS_FILE), or let the proxy in front pass Host on unchanged"
)


class Gate:
    """Knows the keys, the tokens and the quotas of one app."""

    def __init__(self, settings: SecuritySettings, tokens: TokenSettings, metrics: Metrics, threads: Executor) -> None:
        """Read the files that the settings name.

        Args:
            settings: the file of keys, who is let in without a key, and how many films a minute.
            tokens: whose bearer tokens are accepted.
            metrics: counts refusals.
            threads: where secrets are hashed.

        Raises:
            SettingsError: a file cannot be read.
        """
        self._metrics = metrics
        self._threads = threads
        self._keys = (
            None if settings.api_keys_file is None else WatchedFile(settings.api_keys_file, parse_keys, secret=True)
        )
        self._tokens = None
        if tokens.keys_file and tokens.issuer and tokens.audience:  # all three are set, or none
            from service.security.tokens import TokenVerifier  # with PyJWT: 4 MB for those who use no tokens

            self._tokens = TokenVerifier(tokens.keys_file, issuer=tokens.issuer, audience=tokens.audience)
        self._metrics_need_key = settings.metrics_need_key
        self._anonymous = _anonymous(settings, knows_callers=bool(self._keys or self._tokens))
        self._origins = settings.origins
        self._hosts = HostNames(settings.allowed_hosts)
        self._quota = Quota(settings.rate_limit)
        self._pepper = os.urandom(32)
        self._recognised: dict[bytes, str] = {}  # keyed hash of a secret that fitted once: its key's id
        self._recognised_file: KeyFile | None = None
        self._guesses = 0
        self._decoy = decoy_key()

    def needs_caller(self, scope: Scope) -> bool:
        """Whether an address with this scope asks who calls: all do, except /metrics where the settings open it."""
        return scope != "metrics" or self._metrics_need_key

    async def identify(self, presented: str | None) -> Caller:
        """Find out who calls.

        Args:
            presented: a token or an API key; None: neither.

        Raises:
            UnauthenticatedError: nothing valid was presented where something is demanded.
            OverloadedError: too many secrets are being checked.
        """
        if presented is None:
            if self._anonymous is not None:
                return self._anonymous
            msg = "no key was presented; send one in the header X-API-Key, or a token in Authorization: Bearer"
        elif (parts := take_apart(presented)) is not None and self._keys is not None:
            if (key := await self._fitting_key(self._keys.current(), parts)) is not None:
                return key.caller
            msg = "the API key is unknown, revoked or expired; ask the operator of this service for another"
        elif self._tokens is not None and parts is None:
            try:
                return self._tokens.verify(presented)
            except UnauthenticatedError:
                self._metrics.auth_failures.labels("unauthenticated").inc()
                raise
        else:
            msg = "what was presented is neither an API key nor a token that this service knows how to check"
        self._metrics.auth_failures.labels("unauthenticated").inc()
        raise UnauthenticatedError(msg)

    def check_page(self, caller: Caller, method: str, headers: Mapping[str, str]) -> None:
        """Refuse pages of other sites, which may run in anybody's browser and could send whatever needs no key.

        Raises:
            ForbiddenError: the caller is anonymous, and a page of another site, which is not listed, made their browser
                do so.

        Source: W3C Fetch Metadata; RFC 6454 7 (Origin). The order is that of Go's net/http.CrossOriginProtection.
        """
        if caller is not self._anonymous:
            return
        # DNS rebinding: to a browser, a name of another site that leads here is that site's own service.
        host = host_of(headers.get("Host", "localhost"))
        if caller is LOCAL and not self._hosts.is_loopback(host):
            msg = _ANOTHER_NAME
        elif not self._hosts.is_safe(host):
            msg = _UNKNOWN_NAME
        elif headers.get("Origin") not in self._origins and _is_of_another_site(method, headers):
            msg = _ANOTHER_SITE
        else:
            return
        self._metrics.auth_failures.labels("forbidden").inc()
        raise ForbiddenError(msg)

    def admit(self, caller: Caller, *scopes: Scope) -> None:
        """Let a request in.

        Args:
            caller: whose request it is.
            scopes: of which its route demands one.

        Raises:
            ForbiddenError: the caller has none of the scopes.
            QuotaError: the caller has used up their films.
        """
        if caller.scopes.isdisjoint(scopes):
            self._metrics.auth_failures.labels("forbidden").inc()
            msg = f"this address needs the scope {' or '.join(map(repr, scopes))}, which the caller has not been given"
            raise ForbiddenError(msg)
        try:
            self._quota.check(caller)
        except QuotaError:
            self._metrics.shed.labels("quota").inc()
            raise

    def count(self, caller: Caller, films: int) -> None:
        """Take the films of a request that was let in from its caller's quota."""
        self._quota.take(caller, films)

    async def _fitting_key(self, file: KeyFile, presented: PresentedKey) -> ApiKey | None:
        """The valid key whose secret was presented. A secret is hashed slowly once, and then recognised quickly."""
        if file is not self._recognised_file:
            self._recognised.clear()
            self._recognised_file = file
        key = next((key for key in file.keys if key.id == presented.id), None)
        if key is not None and not key.is_valid_at(datetime.now(UTC)):
            key = None
        mark = hmac.digest(self._pepper, f"{presented.id}{presented.secret}".encode(), hashlib.sha256)
        if key is not None and self._recognised.get(mark) == key.id:
            return key
        if self._guesses >= _GUESSES_AT_ONCE:
            msg = "too many new keys are being checked at once; try again shortly"
            raise OverloadedError(msg)
        self._guesses += 1
        try:
            # As much work for an id that is unknown: its answer must not come sooner than that to a wrong secret.
            entry = self._decoy if key is None else key
            fits = await asyncio.get_running_loop().run_in_executor(self._threads, entry.fits, presented.secret)
        finally:
            self._guesses -= 1
        if key is None or not fits:
            return None
        if file is self._recognised_file:
            self._recognised[mark] = key.id
        return key


def _anonymous(settings: SecuritySettings, *, knows_callers: bool) -> Caller | None:
    """The caller without a key; None where every caller needs one."""
    if settings.lets_anybody_in(knows_callers=knows_callers):
        return ANONYMOUS
    return None if knows_callers else LOCAL


def _is_of_another_site(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser reports a page of another site; programs send none of these headers."""
    site = headers.get("Sec-Fetch-Site")
    origin = headers.get("Origin")
    if method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate":
        return False  # a link: it changes nothing, and the page that holds it does not see where it leads
    if site is not None:  # the browser's own judgement goes first: Origin is no match where a proxy changes Host
        return site not in {"same-origin", "none"}
    if origin is None:
        return False
    # The scheme is not compared: TLS may have ended at a proxy, which may have taken the port from Host too.
    authority = origin.lower().partition("://")[2]
    return authority == "" or headers.get("Host", "").lower() not in {authority, re.sub(r":\d+$", "", authority)}
