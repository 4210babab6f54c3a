"""Pieces of HTML that the sections of the report share; every text is escaped here."""

import base64
from collections.abc import Iterable
from html import escape

_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,{width}),1fr));gap:1.5rem 1.25rem;align-items:start"


def heading(text: str) -> str:
    """A heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def paragraph(text: str) -> str:
    """One paragraph."""
    return f"<p>{escape(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def verbatim(text: str) -> str:
    """A command or a file, as it was."""
    return f'<pre style="overflow-x:auto">{escape(text)}</pre>'


def folded(summary: str, html: str) -> str:
    """What is shown when asked for."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>"


def side_by_side(parts: Iterable[str], *, width: str = "20rem") -> str:
    """Parts beside one another, below one another where the page is narrow."""
    return f'<div style="{_GRID.format(width=width)}">{"".join(parts)}</div>'


def narrow(html: str) -> str:
    """A figure that stands alone, no larger than those that stand side by side are read."""
    return f'<div style="max-width:36rem">{html}</div>'


def picture(address: str, *, lines: Iterable[str], alt: str) -> str:
    """An image that stands in the file itself.

    Args:
        address: `data:image/png;base64,…`.
        lines: what the reader should see, below it.
        alt: what the image shows, for who cannot see it.
    """
    image = f'<img src="{escape(address)}" alt="{escape(alt)}" style="width:100%;border-radius:4px">'
    return _figure(image, lines)


def without_picture(lines: Iterable[str]) -> str:
    """What is said of an image that is not there."""
    return _figure("", lines)


def _figure(image: str, lines: Iterable[str]) -> str:
    caption = "<br>".join(map(escape, lines))
    return f'<figure style="margin:0">{image}<figcaption style="overflow-wrap:anywhere">{caption}</figcaption></figure>'


def data_address(png: bytes) -> str:
    """A PNG file as an address that needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
