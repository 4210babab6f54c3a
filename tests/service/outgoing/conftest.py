"""Servers that are called."""

import pytest

from tests.service.dimse.certificates import Authority
from tests.service.receiver import Receiver, demanding_context


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def demanding(authority):
    """It demands a certificate of its authority."""
    server = Receiver(demanding_context(authority))
    yield server
    server.close()
