"""What the documentation site has in addition to docs/*.md: pages from other folders, and the notebooks."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
LINK: Final = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def pages_from_elsewhere() -> dict[str, Path]:
    """Pages of the site that are files outside docs/, by their names there."""
    current = (ROOT / "models/current").read_text(encoding="utf-8").strip()
    return {
        "changelog.md": ROOT / "CHANGELOG.md",
        "contributing.md": ROOT / "CONTRIBUTING.md",
        "model-card.md": ROOT / "models" / current / "MODEL_CARD.md",
        "security-policy.md": ROOT / "SECURITY.md",
    }


def on_config(config: MkDocsConfig) -> None:
    """Let an entry of the navigation that ends in / mean every page of that folder."""
    assert config.nav is not None  # noqa: S101 it stands in mkdocs.yml
    config.nav = [_unfolded(entry) for entry in config.nav]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere and the notebooks."""
    for name, source in pages_from_elsewhere().items():
        files.append(File.generated(config, name, content=source.read_text(encoding="utf-8")))
    for notebook in sorted(DOCS.glob("notebooks/*.ipynb")):
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=notebook_page(notebook)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links at the site's own pages; what lies in the repository alone keeps its name and loses its link."""
    elsewhere = pages_from_elsewhere()
    source = elsewhere.get(page.file.src_uri, DOCS / page.file.src_uri)
    names = {path: DOCS / name for name, path in elsewhere.items()}

    def pointed(link: re.Match[str]) -> str:
        text = link[1]
        address = link[2]
        anchor = link[3] or ""
        target = Path(os.path.normpath(source.parent / address))
        target = names.get(target, target.with_suffix(".md") if target.suffix == ".ipynb" else target)
        if not target.is_relative_to(DOCS):
            return text
        here = os.path.relpath(target, (DOCS / page.file.src_uri).parent)
        return f"[{text}]({here}{anchor})"

    return LINK.sub(pointed, markdown)


def notebook_page(path: Path) -> str:
    """A notebook with its outputs as Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(_cell(cell) for cell in cells) + "\n"


def _unfolded(entry: Mapping[str, Any]) -> dict[str, Any]:
    ((title, content),) = entry.items()
    if isinstance(content, list):
        unfolded = (_unfolded(inner) for inner in content)
        return {title: [inner for inner in unfolded if [*inner.values()] != [[]]]}
    if not content.endswith("/"):
        return {title: content}
    folder = DOCS / content
    pages = sorted({f"{content}{path.stem}.md" for path in folder.glob("*") if path.suffix in {".md", ".ipynb"}})
    return {title: [page for page in pages if "template" not in page]}


def _cell(cell: Mapping[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source
    return "\n\n".join([f"```python\n{source}\n```", *(_output(output) for output in cell["outputs"])])


def _output(output: Mapping[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f"![output](data:image/png;base64,{''.join(data['image/png']).strip()})"
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f"```text\n{text}\n```"
