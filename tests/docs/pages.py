"""The pages that people read: which there are, their links, and their blocks of code."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted({ROOT / "README.md", *(ROOT / "docs").rglob("*.md")})
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def named(path):
    return str(path.relative_to(ROOT))


def links(page):
    """Addresses of the page's links and pictures, outside its code."""
    text = re.sub(r"^    .*$|`[^`\n]*`", "", FENCE.sub("", page.read_text()), flags=re.MULTILINE)
    return LINK.findall(text)


def anchors(page):
    """What links may name after #: headings, as GitHub and MkDocs name them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading)).strip().lower() for heading in headings]
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


def blocks(page, language):
    """The page's fenced blocks of a language."""
    return [body for kind, body in FENCE.findall(page.read_text()) if kind == language]


def commands(page):
    """Each line of the page's blocks of shell, comments apart."""
    lines = [line.partition("   #")[0].strip() for body in blocks(page, "sh") for line in body.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
