"""Rules of which hosts are this machine itself."""

import pytest

from service.settings.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_is_known_by_its_names_and_addresses(host) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "localhost.example", "127.0.0.1.example", "", "[::1]"])
def test_what_may_be_another_machine_is_not_loopback(host) -> None:
    assert not is_loopback(host)
