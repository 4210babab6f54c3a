"""Settings of the hospital's own evidence: its acceptance reports, and the operating points that it made itself."""

from pathlib import Path

from pydantic import Field

from service.settings.section import Section


class EvidenceSettings(Section):
    """Where the site keeps what its own films say."""

    evidence_dir: Path | None = Field(
        default=None,
        description="the folder of acceptance reports that `python -m service accept --out` fills, one folder each; "
        "default: GET /acceptance answers 404",
    )
