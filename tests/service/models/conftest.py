"""The registry in this process, and a repository in it, as the tests of stores have them."""

from tests.bundle.stores.conftest import registry, shelf

__all__ = ["registry", "shelf"]
