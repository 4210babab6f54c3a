"""API keys: what a caller presents, and the file of their hashes that the service compares it with.

A key is `cxr_<id>_<secret>`. The id finds the entry; the secret, 256 random bits, is only ever stored as its scrypt
hash (RFC 7914), so that the file alone opens nothing.
"""

import codecs
import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from bundle.files import write_whole
from schemas.errors import SettingsError
from schemas.record import Record
from service.security.callers import Caller, Scope

_PRESENTED: Final = re.compile(r"cxr_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}  # 16 MiB and about 50 ms a guess
_SALT_BYTES: Final = 16

Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class ApiKey(Record):
    """One key of the file."""

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str = Field(min_length=1, max_length=64, description="of the system that holds it, for people")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    films_per_minute: int | None = Field(default=None, ge=1, description="its own quota; null: CXR_RATE_LIMIT")
    salt: Hex
    hash: Hex = Field(description="scrypt of the secret")
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def caller(self) -> Caller:
        """Who presents this key."""
        return Caller(f"key:{self.id}", frozenset(self.scopes), self.films_per_minute)

    def fits(self, secret: str) -> bool:
        """Whether `secret` is the one whose hash this is; compared in constant time."""
        return hmac.compare_digest(_hash(secret, bytes.fromhex(self.salt)), bytes.fromhex(self.hash))

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or moment < self.expires_at


class KeyFile(Record):
    """The file of keys."""

    format: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """What a caller presented, taken apart."""

    id: str
    secret: str


def take_apart(presented: str) -> PresentedKey | None:
    """The id and the secret of a key; None where the text is not in the form of a key."""
    match = _PRESENTED.fullmatch(presented)
    return None if match is None else PresentedKey(match["id"], match["secret"])


def new_key(
    name: str, scopes: tuple[Scope, ...], *, films_per_minute: int | None = None, expires_at: datetime | None = None
) -> tuple[str, ApiKey]:
    """A fresh key: the text to hand to its holder, which is written down nowhere, and its entry."""
    identity = secrets.token_hex(6)
    secret = secrets.token_urlsafe(32)
    salt = os.urandom(_SALT_BYTES)
    entry = ApiKey(
        id=identity,
        name=name,
        scopes=scopes,
        films_per_minute=films_per_minute,
        salt=salt.hex(),
        hash=_hash(secret, salt).hex(),
        created_at=datetime.now(UTC),
        expires_at=expires_at,
    )
    return f"cxr_{identity}_{secret}", entry


def decoy_key() -> ApiKey:
    """An entry that no secret fits, and that takes as long to find that out as any other."""
    return ApiKey(
        id="0" * 12,
        name="decoy",
        scopes=("predict",),
        salt=os.urandom(_SALT_BYTES).hex(),
        hash=os.urandom(_SCRYPT["dklen"]).hex(),
        created_at=datetime.now(UTC),
    )


def parse_keys(content: bytes) -> KeyFile:
    """The keys of a file.

    Raises:
        SettingsError: it is not a file of keys, or an id occurs twice.
    """
    try:
        file = KeyFile.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, fault["loc"])) or "the file" for fault in error.errors()}))
        msg = f"the file of keys is not valid at {places}; write it with `python -m service keys`"
        raise SettingsError(msg) from error
    if missing := sorted(KeyFile.model_fields.keys() - file.model_fields_set):
        msg = f"the file of keys lacks {' and '.join(missing)}; write it with `python -m service keys`"
        raise SettingsError(msg)
    if len({key.id for key in file.keys}) != len(file.keys):
        msg = "the file of keys holds an id twice; revoke it with `python -m service keys revoke` and add a new key"
        raise SettingsError(msg)
    return file


def write_keys(path: Path, file: KeyFile) -> None:
    """Replace the file of keys, whole or not at all; a new one is readable by its owner alone.

    Raises:
        SettingsError: it cannot be written, or not so that its present owner can read it.
    """
    try:
        write_whole(path, (file.model_dump_json(indent=2) + "\n").encode(), private=True)
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror}); the keys are as before: try again once it can be"
        raise SettingsError(msg) from error


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, maxmem=64 * 1024 * 1024, **_SCRYPT)
