"""Rules of the documentation site: built as a user builds it, read as a browser would."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
import yaml

from docs.hooks import pages_from_elsewhere
from tests.docs.pages import ROOT

FETCHED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
}


class Document(HTMLParser):
    """Ids, links and what a browser fetches to show the page."""

    def __init__(self, path) -> None:
        super().__init__()
        self.ids = set()
        self.links = []
        self.fetched = []
        self.text = []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes) -> None:
        known = dict(attributes)
        self.ids |= {known[name] for name in ("id", "name") if known.get(name)}
        if tag == "a" and known.get("href"):
            self.links.append(known["href"])
        if tag in FETCHED and known.get(FETCHED[tag]):
            self.fetched.append(known[FETCHED[tag]])

    def handle_data(self, data) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def documents(site):
    return {path: Document(path) for path in sorted(site.rglob("*.html"))}


def test_the_site_holds_every_page_of_its_sources(site) -> None:
    sources = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    sources |= {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.ipynb")}
    made = {path.relative_to(site) for path in site.rglob("*.html")}

    assert sources <= made
    assert {name.replace(".md", ".html") for name in pages_from_elsewhere()} <= {str(path) for path in made}


def test_no_page_needs_anything_from_elsewhere(documents, site) -> None:
    outside = {
        (path.name, address)
        for path, document in documents.items()
        for address in document.fetched
        if address.startswith(("http:", "https:", "//"))
    }
    styles = [path for path in site.rglob("*.css") if "url(http" in path.read_text() or "@import" in path.read_text()]

    assert len(documents) > 20
    assert outside == set()
    assert styles == []


def test_every_link_within_the_site_leads_to_a_page_and_to_a_heading(documents) -> None:
    astray = []
    for path, document in documents.items():
        if path.name == "404.html":
            continue
        for link in document.links + document.fetched:
            address, _, anchor = link.partition("#")
            if ":" in address.partition("/")[0]:
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            found = documents.get(target)
            if not target.is_file() or (anchor and found and unquote(anchor) not in found.ids):
                astray.append((path.name, link))

    assert astray == []


def test_pages_are_reached_from_the_navigation_or_are_templates() -> None:
    entries = []

    def collect(entry) -> None:
        for content in entry.values():
            if isinstance(content, list):
                for inner in content:
                    collect(inner)
            else:
                entries.append(content)

    for entry in yaml.safe_load((ROOT / "mkdocs.yml").read_text().partition("nav:\n")[2]):
        collect(entry)
    reached = {page for page in entries if not page.endswith("/")} - set(pages_from_elsewhere())
    folders = tuple(entry for entry in entries if entry.endswith("/"))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}

    assert {page for page in pages - reached if not page.startswith(folders)} == set()
    assert reached <= pages


def test_a_notebook_is_shown_with_its_pictures(documents) -> None:
    shown = next(document for path, document in documents.items() if path.name == "explore.html")

    assert any(address.startswith("data:image/png;base64,") for address in shown.fetched)
    assert "AUROC without looking at the picture" in "".join(shown.text)


def test_the_model_card_is_that_of_the_bundle_that_ships(documents) -> None:
    card = next(document for path, document in documents.items() if path.name == "model-card.html")
    current = (ROOT / "models/current").read_text().strip()

    assert current.replace("/", " ") in "".join(card.text)
