"""The names under which callers without a key may ask: DNS rebinding gives a page of any site a way to this service."""

import ipaddress
import re
from functools import lru_cache
from typing import Final

from service.settings.loopback import is_loopback

ANY: Final = "*"

_PORT: Final = re.compile(r":\d+$")
_UNREGISTRABLE: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test", ".svc")
"""Endings that no site on the internet can own: RFC 6761, 6762, 8375 and 9476, ICANN's .internal, and Kubernetes."""


def host_of(authority: str) -> str:
    """The host of a header Host in lower case: without port, without the brackets of IPv6 and without the last dot."""
    return _PORT.sub("", authority.lower()).strip("[]").removesuffix(".")


class HostNames:
    """The names that an operator chose, and those that nobody else can have."""

    def __init__(self, chosen: str | None) -> None:
        """`chosen` is a list with commas; `*.example.org` stands for all names below, `*` for any name."""
        self._chosen = tuple(filter(None, (host_of(name.strip()) for name in (chosen or "").split(","))))

    def is_chosen(self, host: str) -> bool:
        """Whether the operator has named it."""
        return any(
            name in (ANY, host) or (name.startswith("*.") and host.endswith(name.removeprefix(ANY)))
            for name in self._chosen
        )

    def is_safe(self, host: str) -> bool:
        """Whether a page under this name is no other site's: chosen, an address, or a name that is not on the internet.

        To rebind, another site's own name must lead here, so an address is safe, and so is a name without a dot.
        """
        return self.is_chosen(host) or _is_address(host) or "." not in host or host.endswith(_UNREGISTRABLE)

    def is_loopback(self, host: str) -> bool:
        """Whether it is this machine's own name, or one that the operator has chosen."""
        return is_loopback(host) or self.is_chosen(host)


@lru_cache(maxsize=64)  # it is asked for every request
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
