"""A registry in this process, a bundle to push, and a cache."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.stores.address import parse_address
from bundle.stores.mirror import Mirror
from bundle.stores.opening import open_source
from bundle.stores.pushing import push, read_shipment
from bundle.stores.source import StoreOptions
from tests.bundle.stores.fake_registry import FakeRegistry
from tests.service.bundles import write_tiny_bundle

PLAIN = StoreOptions(timeout_s=60, allow_http=True, attempts=1)


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory) -> Path:
    """A models directory: tiny/1.0.0, which is current, and children/2.0.0; read only."""
    folder = tmp_path_factory.mktemp("set")
    write_tiny_bundle(folder, name="children", version="2.0.0")
    write_tiny_bundle(folder)
    return folder


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Iterator[FakeRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    fake = FakeRegistry()
    yield fake
    fake.close()


class Shelf:
    """One repository of the registry, and the cache of one address in it."""

    def __init__(self, registry: FakeRegistry, cache: Path) -> None:
        self.registry = registry
        self.tag = f"oci://{registry.host}/cxr/tiny:stable"
        self.cache = cache

    def push(self, folder: Path, **options) -> str:
        """Returns the reference that pins what was pushed."""
        return push(read_shipment(folder), parse_address(self.tag), PLAIN, **options).reference

    def mirror(self, address: str | None = None, **options) -> Mirror:
        """As a process that has just started has it."""
        return Mirror(self.cache, open_source(address or self.tag, PLAIN), **options)


@pytest.fixture
def shelf(registry, tmp_path) -> Shelf:
    return Shelf(registry, tmp_path / "cache")
