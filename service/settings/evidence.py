"""Settings of the hospital's own evidence: its acceptance reports, and the operating points that it made itself."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from service.settings.section import Section


class EvidenceSettings(Section):
    """Where the site keeps what its own films say."""

    evidence_dir: Path | None = Field(
        default=None,
        description="the folder of acceptance reports that `python -m service accept --out` fills, one folder each; "
        "default: GET /acceptance answers 404",
    )
    site_profiles_dir: Path | None = Field(
        default=None,
        description="the folder of signed site profiles (`python -m service site profile`): a bundle that has one "
        "answers at the site's own operating point; default: at its own",
    )
    site_keys_file: Path | None = Field(
        default=None,
        description="Ed25519 public keys of the site as PEM, made by `python -m service site keygen`: site profiles "
        "that none of them has signed are refused, and the bundle with them; read again when it changes",
    )

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.site_profiles_dir is not None and self.site_keys_file is None:
            msg = (
                f"site_profiles_dir {self.site_profiles_dir} is set without site_keys_file; name the site's public "
                "keys in CXR_SITE_KEYS_FILE, as an unsigned operating point is never applied"
            )
            raise ValueError(msg)
        return self
