"""Renders the chart once for each variant, by Helm's own engine: `make manifests`, which runs this where Helm's SDK is.

It needs nothing of this project, for it runs in an environment of its own.
"""

import sys
from pathlib import Path
from typing import Final

import helm_python  # type: ignore[import-not-found]  # in the tool's environment alone

from deploy.kubernetes.sources import FOLDER, copy_rules, digest_of_sources

RELEASE: Final = "cxr"


def main() -> int:
    """Write the manifests; the exit status is 1 where Helm's linter finds an error."""
    copy_rules()
    digest = digest_of_sources()
    with helm_python.Chart.load(str(FOLDER / "chart")) as chart:
        for variant in sorted((FOLDER / "variants").glob("*.yaml")):
            values = helm_python.values_from_yaml(variant.read_text(encoding="utf-8")) or {}
            chart.validate_schema(values)
            rendered = chart.render(values, name=RELEASE, namespace="cxr")
            text = manifest(variant, rendered, digest)
            (FOLDER / "manifests" / variant.name).write_text(text, encoding="utf-8")
    result = helm_python.lint(str(FOLDER / "chart"))
    sys.stdout.write(f"helm {helm_python.helm_sdk_version()}: {result}\n")
    return 1 if result["errors"] else 0


def manifest(variant: Path, rendered: dict[str, str], digest: str) -> str:
    """The objects of a variant in one file, behind what they were rendered from."""
    head = f"# Rendered by `make manifests` from variants/{variant.name}; change the chart, not this file.\n"
    head += f"# Sources: sha256 {digest}\n"
    bodies = (text.strip() for name, text in sorted(rendered.items()) if name.endswith(".yaml") and text.strip())
    return head + "".join(f"---\n{body.removeprefix('---').strip()}\n" for body in bodies)


if __name__ == "__main__":
    sys.exit(main())
