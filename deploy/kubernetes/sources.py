"""What the manifests are rendered from: the chart, its variants, and the rules of Prometheus, which have one source."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
RULES: Final = ("alerts.yml", "recording_rules.yml")
"""Of deploy/prometheus. A chart can read only files in it, so it holds copies; a test compares them."""


def copy_rules() -> None:
    """Put the rules into the chart."""
    for name in RULES:
        shutil.copyfile(FOLDER.parent / "prometheus" / name, FOLDER / "chart" / "files" / name)


def digest_of_sources() -> str:
    """A digest of everything that decides the manifests: where it differs from theirs, they are old."""
    digest = hashlib.sha256()
    files = [path for name in ("chart", "variants") for path in (FOLDER / name).rglob("*") if path.is_file()]
    for path in sorted(files):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
