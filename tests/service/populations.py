"""Two bundles that serve side by side: one for children, one for adults, with or without a guide that can tell."""

from pathlib import Path
from typing import Any, Final

from tests.service.bundles import CHILDREN, change_manifest, guide_fields, write_tiny_bundle
from tests.service.conftest import flat_film, halves

BOTH: Final = {"models": "children,adults"}
"""The setting under which both serve."""

ADULTS: Final = {"name": "adult", "least_age_years": 18.0, "age_below_years": None}

CHILD: Final = flat_film(200)
"""A child's film to the tiny guide, and PNEUMONIA."""
ADULT: Final = halves(250, 20)
"""An adult's film to the tiny guide."""


def write_children(models_dir: Path, version: str = "1.0.0", *, guide: bool = True) -> Path:
    """A bundle of children's films alone."""
    directory = write_tiny_bundle(models_dir, name="children", version=version, guide=guide, current=False)
    change_manifest(directory, population=CHILDREN.model_dump())
    return directory


def write_adults(models_dir: Path, version: str = "1.0.0", *, guide: bool = True, **changes: Any) -> Path:
    """A bundle of adults' films alone."""
    directory = write_tiny_bundle(models_dir, name="adults", version=version, guide=guide, current=False)
    seen = guide_fields()["guide"]
    seen["traits"][0] |= {"accepted": ["adult"]}
    change_manifest(directory, population=ADULTS, guide=seen if guide else None, **changes)
    return directory


def write_both(models_dir: Path, *, guide: bool = True) -> Path:
    """Both of them; returns the models directory."""
    write_children(models_dir, guide=guide)
    write_adults(models_dir, guide=guide)
    return models_dir
