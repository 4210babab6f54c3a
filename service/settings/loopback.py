"""Whether a host is this machine itself."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=64)  # it is asked for every request
def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or a loopback address; any other name may resolve to anything.

    Args:
        host: a name or an address, IPv6 without brackets, and no port.
    """
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
