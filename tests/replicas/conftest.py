"""Several real services on one machine."""

from collections.abc import Callable

import pytest

from tests.service.conftest import archive, tiny_models
from tests.service.dicomweb.conftest import postgresql, postgresql_url

__all__ = ["archive", "postgresql", "postgresql_url", "tiny_models"]


@pytest.fixture
def figure(record_property) -> Callable[[str], None]:
    """Writes what was measured below the table of `make scale-test`."""
    return lambda text: record_property("figure", text)
