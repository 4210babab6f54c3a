"""The version of this software: the one place where it is written; pyproject.toml reads it from here."""

from typing import Final

VERSION: Final = "0.2.0"
"""By Semantic Versioning; a bundle has a version of its own, in its manifest."""
