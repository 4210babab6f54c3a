"""The steps of the release, as the workflow has them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORKFLOW = ".github/workflows/release.yml"


def steps(root: Path) -> Iterator[str]:
    """One line for each job and step, in order: what a tag would start."""
    import yaml  # noqa: PLC0415 - the other commands work before anything is installed

    jobs: dict[str, dict[str, Any]] = yaml.safe_load((root / WORKFLOW).read_text(encoding="utf-8"))["jobs"]
    for job, row in jobs.items():
        yield f"{job}{_after(row)}"
        if "uses" in row:
            yield f"    {row['uses']}"
        for step in row.get("steps", ()):
            yield f"    {step.get('name', step.get('uses', ''))}"
            yield from (f"        $ {line}" for line in step.get("run", "").splitlines())


def _after(row: dict[str, Any]) -> str:
    needs = row.get("needs", [])
    names = [needs] if isinstance(needs, str) else needs
    return f", after {' and '.join(names)}" if names else ""
