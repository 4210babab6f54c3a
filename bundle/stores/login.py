"""Credentials of registries: what docker's config.json holds for a host, and how a registry asks for them.

Source: docker/cli, config.json ("auths"); OCI and docker registry, "Token Authentication Specification"; RFC 7235.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bundle.reading import LARGEST_MANIFEST, read_regular
from bundle.stores.source import StoreRefusedError

_PARAMETER: Final = re.compile(r'([A-Za-z_-]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Login:
    """A user's name with a password, or a token that is exchanged for others."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str | None = field(default=None, repr=False)

    @property
    def basic(self) -> str:
        """The header of RFC 7617."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a registry wants to be asked: `basic`, or `bearer` with a token of its realm."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenge(header: str) -> Challenge:
    """The content of WWW-Authenticate."""
    scheme, _, rest = header.strip().partition(" ")
    return Challenge(scheme.lower(), {name.lower(): value for name, value in _PARAMETER.findall(rest)})


def config_path() -> Path:
    """The file of credentials: that of podman and ORAS where it is named, else docker's."""
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        return Path(named)
    folder = os.environ.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path.home() / ".docker") / "config.json"


def find_login(host: str) -> Login | None:
    """The login for a registry; None where the file has none. The file is read at each call: tokens are renewed there.

    Raises:
        StoreRefusedError: the file is there and cannot be used.
    """
    path = config_path()
    try:
        config = json.loads(read_regular(path, LARGEST_MANIFEST, folder=Path(path.resolve().anchor)))
        entry = config.get("auths", {}).get(host)
        helper = config.get("credHelpers", {}).get(host) or config.get("credsStore")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not docker's JSON"
        msg = f"the credentials in {path.name} cannot be read ({reason}); mend the file, or name another: DOCKER_CONFIG"
        raise StoreRefusedError(msg) from error
    if not entry and helper:
        msg = (
            f"{path.name} leaves the login of {host} to the program docker-credential-{helper}, which is not run here; "
            'write it into "auths" of a file of its own, and set DOCKER_CONFIG to its folder'
        )
        raise StoreRefusedError(msg)
    return _login(entry, host, path.name) if entry else None


def _login(entry: Mapping[str, Any], host: str, file: str) -> Login:
    try:
        identity = entry.get("identitytoken") or entry.get("registrytoken")
        user, password = entry.get("username", ""), entry.get("password", "")
        if entry.get("auth"):
            user, _, password = base64.b64decode(entry["auth"], validate=True).decode().rstrip("\0").partition(":")
    except (AttributeError, TypeError, ValueError, binascii.Error) as error:
        msg = f'the entry of {host} in {file} is not a login; "auth" is the base64 of USER:PASSWORD'
        raise StoreRefusedError(msg) from error
    return Login(user, password, identity)
