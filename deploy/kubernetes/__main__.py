"""Renders the chart once for each variant, by Helm's own engine: `make manifests`, which runs this where Helm's SDK is.

It needs nothing of this project, for it runs in an environment of its own.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import helm_python  # type: ignore[import-not-found]  # in the tool's environment alone

from deploy.kubernetes.sources import FOLDER, copy_rules, digest_of_sources

RELEASE: Final = "cxr"


def main(arguments: Sequence[str]) -> int:
    """Write the manifests, or with `--check` compare them; 1: they differ, or Helm's linter finds an error."""
    check = "--check" in arguments
    if not check:
        copy_rules()
    old = 0
    for name, text in rendered().items():
        path = FOLDER / "manifests" / name
        if check and path.read_text(encoding="utf-8") != text:
            sys.stdout.write(f"{path.name} is not what Helm renders: run make manifests\n")
            old += 1
        elif not check:
            path.write_text(text, encoding="utf-8")
    found = helm_python.lint(str(FOLDER / "chart"))
    sys.stdout.write(f"helm {helm_python.helm_sdk_version()}: {found}\n")
    return 1 if found["errors"] or old else 0


def rendered() -> dict[str, str]:
    """The manifest of each variant by its file's name."""
    digest = digest_of_sources()
    texts = {}
    with helm_python.Chart.load(str(FOLDER / "chart")) as chart:
        for variant in sorted((FOLDER / "variants").glob("*.yaml")):
            values = helm_python.values_from_yaml(variant.read_text(encoding="utf-8")) or {}
            chart.validate_schema(values)
            texts[variant.name] = manifest(variant, chart.render(values, name=RELEASE, namespace="cxr"), digest)
    return texts


def manifest(variant: Path, templates: dict[str, str], digest: str) -> str:
    """The objects of a variant in one file, behind what they were rendered from."""
    head = f"# Rendered by `make manifests` from variants/{variant.name}; change the chart, not this file.\n"
    head += f"# Sources: sha256 {digest}\n"
    bodies = (text.strip() for name, text in sorted(templates.items()) if name.endswith(".yaml") and text.strip())
    return head + "".join(f"---\n{body.removeprefix('---').strip()}\n" for body in bodies)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
