"""The shell of the pages that the trainer writes: one HTML file that needs no other, by day and by night, on paper and on a phone."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from matplotlib import rc_context
from matplotlib.figure import Figure

_SHORT = 24  # a figure with its interval stays on one line

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f4f6f8; --text: #22303a; --quiet: #5c6b76; --line: #d5dce1; --accent: #00618f; }
@media (prefers-color-scheme: dark) { :root { --ground: #10161c; --panel: #18212a; --text: #e4ebf0; --quiet: #a3b2be; --line: #33414e; --accent: #9ad1e0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1.25rem 4rem; background: var(--ground); color: var(--text); font: 16px/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.35rem; margin: 3rem 0 0.75rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 0.5rem; }
p, ul { max-width: 50rem; }
li { margin: 0.25rem 0; }
a { color: var(--accent); }
header p, figcaption, caption { color: var(--quiet); }
nav { display: flex; flex-wrap: wrap; gap: 0.35rem 1.1rem; margin: 1rem 0; font-size: 0.92rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 0.4rem; max-width: 50rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 1.25rem 0.3rem 0; border-bottom: 1px solid var(--line); }
.short { white-space: nowrap; }
th { font-weight: 600; }
figure { margin: 0; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
figcaption { font-size: 0.85rem; line-height: 1.45; margin-top: 0.4rem; }
pre { background: var(--panel); padding: 0.8rem 1rem; border-radius: 6px; overflow-x: auto; font-size: 0.85rem; }
details { margin: 0.6rem 0; border: 1px solid var(--line); border-radius: 6px; padding: 0.6rem 1rem; }
summary { cursor: pointer; font-weight: 600; }
@media print { :root { color-scheme: light; } nav { display: none; } figure, tr { break-inside: avoid; } .wide { overflow: visible; } }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page."""

    title: str
    html: str


def render_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """One HTML document with a table of contents; titles are escaped, the HTML of the sections is taken as it is."""
    contents = "".join(f'<a href="#s{place}">{escape(part.title)}</a>' for place, part in enumerate(sections))
    body = "".join(
        f'<section id="s{place}"><h2>{escape(part.title)}</h2>{part.html}</section>'
        for place, part in enumerate(sections)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>{escape(title)}</title><style>{_STYLE}</style></head><body><header><h1>{escape(title)}</h1>'
        f"<p>{escape(subtitle)}</p></header><nav>{contents}</nav><main>{body}</main></body></html>"
    )


def figure_html(figure: Figure, *, caption: str, alt: str) -> str:
    """A figure that stands in the page itself.

    Args:
        figure: any.
        caption: what the reader should see.
        alt: what the figure shows, for who cannot see it.
    """
    drawn = io.BytesIO()
    # Text stays text: a quarter of the size, and the reader's own font where the figure's is missing.
    # The salt names the parts of the same figure the same in every run of the program.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "page"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    address = f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}"
    return f'<figure><img src="{address}" alt="{escape(alt)}" width="100%"><figcaption>{escape(caption)}</figcaption></figure>'


def table_html(head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str) -> str:
    """A table; a wide one scrolls by itself."""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    titles = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    short = ' class="short"' if len(text) <= _SHORT else ""
    return f"<td{short}>{escape(text)}</td>"
