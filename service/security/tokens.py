"""Bearer tokens: JWTs of a hospital's identity provider, checked against its public keys (RFC 7519, RFC 8725)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jwt
from jwt import PyJWK, PyJWTError

from schemas.errors import SettingsError, UnauthenticatedError
from service.security.callers import SCOPES, Caller
from service.security.watched_file import WatchedFile

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""Asymmetric ones alone: if a public key could pass for a shared secret, anybody could sign."""

_LONGEST_SUBJECT: Final = 255  # OpenID Connect Core 2
_LEEWAY_S: Final = 30  # between the clocks of two machines
_REQUIRED: Final = ("exp", "iss", "aud", "sub")
_UNREADABLE: Final = "it is not a JSON Web Token that can be read"
_FAULTS: Final[Mapping[type[Exception], str]] = {
    KeyError: "its key (kid) is not in the file of CXR_JWT_KEYS_FILE",
    jwt.ExpiredSignatureError: "it has expired (exp)",
    jwt.ImmatureSignatureError: "it is not valid yet (nbf, iat); compare the clocks of both machines",
    jwt.InvalidAudienceError: "it is for another service (aud)",
    jwt.InvalidIssuerError: "it comes from another issuer (iss)",
    jwt.MissingRequiredClaimError: f"it lacks one of {', '.join(_REQUIRED)}",
    jwt.InvalidAlgorithmError: f"it is signed by another algorithm than its key is for, or by none of "
    f"{', '.join(ALGORITHMS)}",
    jwt.InvalidSignatureError: "its signature is not of its key",
}
"""Words for what PyJWT raises, whose text may quote the token."""


class TokenVerifier:
    """Turns tokens into callers; the key set is read again when its file is replaced."""

    def __init__(self, keys_file: Path, *, issuer: str, audience: str) -> None:
        """Read the key set.

        Args:
            keys_file: a JWK set (RFC 7517) of public keys, each with `kid` and `alg`.
            issuer: the only `iss` that is accepted.
            audience: what `aud` must name.

        Raises:
            SettingsError: the key set cannot be read or holds an unusable key.
        """
        self._keys = WatchedFile(keys_file, parse_key_set)
        self._issuer = issuer
        self._audience = audience

    def verify(self, token: str) -> Caller:
        """The caller whom a token names; scopes of other services in it are ignored.

        Raises:
            UnauthenticatedError: it is not a token of the issuer for this service, or it has expired.
        """
        try:
            key = self._keys.current()[jwt.get_unverified_header(token).get("kid", "")]
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_S,
                options={"require": list(_REQUIRED)},
            )
        except (KeyError, PyJWTError, OverflowError, RecursionError) as error:  # exp of 1e999; lists in lists in lists
            reason = next((words for kind, words in _FAULTS.items() if isinstance(error, kind)), _UNREADABLE)
            msg = f"the bearer token is refused: {reason}; ask the identity provider for a new one for this service"
            raise UnauthenticatedError(msg) from error
        return Caller(f"token:{_subject(claims)}", frozenset(scope for scope in SCOPES if scope in _granted(claims)))


def parse_key_set(content: bytes) -> Mapping[str, PyJWK]:
    """The public keys of a JWK set, by `kid`.

    Raises:
        SettingsError: it is not a JWK set, or a key lacks `kid` or is none of `ALGORITHMS`.
    """
    try:
        entries = json.loads(content)["keys"]
        keys = dict(map(_key, range(1, len(entries) + 1), entries))
    except (ValueError, TypeError, KeyError) as error:
        msg = (
            'the file of CXR_JWT_KEYS_FILE is not a JWK set; give a JSON object {"keys": [...]} with the public keys '
            "of the identity provider"
        )
        raise SettingsError(msg) from error
    if wrong := sorted({key.algorithm_name for key in keys.values()} - set(ALGORITHMS)):
        msg = f"the JWK set has keys for {', '.join(wrong)}; accepted are {', '.join(ALGORITHMS)}"
        raise SettingsError(msg)
    return keys


def _key(number: int, entry: Any) -> tuple[str, PyJWK]:
    """One public key of a set, and its `kid`.

    Raises:
        SettingsError: it has no `kid`, or cannot be used.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("kid"), str):
        msg = f"key {number} in the file of CXR_JWT_KEYS_FILE has no kid; give each key a text by which tokens name it"
        raise SettingsError(msg)
    try:
        return entry["kid"], PyJWK(dict(entry))
    except (ValueError, TypeError, KeyError, PyJWTError):
        msg = (
            f"key {number} in the file of CXR_JWT_KEYS_FILE is not a public key that can be used; give each kid, kty, "
            f"alg ({', '.join(ALGORITHMS)}) and the numbers of its kind"
        )
        raise SettingsError(msg) from None  # the cause may quote the key, and the chain may be logged


def _subject(claims: Mapping[str, Any]) -> str:
    """The name of the caller in quotas, logs and the audit log.

    Raises:
        UnauthenticatedError: it is not a text that can be written there.
    """
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        msg = (
            f"the bearer token is refused (its sub is not a text of 1 to {_LONGEST_SUBJECT} printable characters); ask "
            "the identity provider for another"
        )
        raise UnauthenticatedError(msg)
    return subject


def _granted(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a token: `scope`, words in a text (RFC 9068), or `scp`, a list; null is none.

    Raises:
        UnauthenticatedError: they are neither.
    """
    granted = claims.get("scope")
    if granted is None and (granted := claims.get("scp")) is None:
        return frozenset()
    if isinstance(granted, str):
        return frozenset(granted.split())
    if isinstance(granted, list):
        return frozenset(word for word in granted if isinstance(word, str))
    msg = "the bearer token is refused (its scope is neither a text nor a list); ask the identity provider for another"
    raise UnauthenticatedError(msg)
