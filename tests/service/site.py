"""A site with a key and signed profiles."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bundle.files import sha256_of
from bundle.signing import make_key, read_key
from schemas.estimate import Estimate
from schemas.model.manifest import MANIFEST
from schemas.site_profile import SiteProfile
from service.acceptance.profile import write_profile

HALF = Estimate(value=0.5, low=0.4, high=0.6)


class Site:
    """The folder of a site: its key, and the settings that a service of the site has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key_file = folder / "site.key"
        self.profiles = folder / "profiles"
        self.profiles.mkdir(parents=True)
        make_key(self.key_file)

    @property
    def settings(self) -> dict[str, Any]:
        return {"site_profiles_dir": self.profiles, "site_keys_file": self.folder / "site.key.pub"}

    def sign(self, bundle: Path, **changes: Any) -> SiteProfile:
        """Write a profile for the bundle in this directory."""
        made = profile(**({"model_sha256": sha256_of(bundle / MANIFEST)} | changes))
        write_profile(self.profiles, made, read_key(self.key_file, remedy=""))
        return made


def profile(model_sha256: str, **changes: Any) -> SiteProfile:
    """One that answers no film negative below .1 and none positive up to .9."""
    fields: dict[str, Any] = {
        "site": "St Example",
        "made_at": datetime(2026, 11, 29, tzinfo=UTC),
        "model": "tiny/1.0.0",
        "model_sha256": model_sha256,
        "precision": "fp32",
        "finding": "PNEUMONIA",
        "temperature": 1.0,
        "lower": 0.1,
        "threshold": 0.2,
        "upper": 0.9,
        "risk": 0.05,
        "alarm_risk": 0.1,
        "confidence": 0.95,
        "films": 200,
        "with_finding": 100,
        "missed": 1,
        "false_alarms": 3,
        "withheld": 4,
        "answered": HALF,
        "sensitivity": HALF,
        "specificity": HALF,
        "labels_sha256": "c" * 64,
        "films_sha256": "d" * 64,
    }
    return SiteProfile(**(fields | changes))
