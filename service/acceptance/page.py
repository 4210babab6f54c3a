"""A report as one HTML page that needs no other file, no script and no network."""

import base64
from collections.abc import Iterator
from html import escape
from typing import Final

from schemas.acceptance import AcceptanceVerdict
from service.acceptance.document import VERDICTS, Document, Section, Table
from service.acceptance.plots import Picture

_COLORS: Final[dict[AcceptanceVerdict, str]] = {"accept": "#1b7a43", "reject": "#b3261e", "not_enough": "#8a5c00"}
_STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0; background: #f3f5f7; color: #1f2933; font: 16px/1.55 system-ui, "Segoe UI", Arial, sans-serif; }
main { max-width: 54rem; margin: 2rem auto; padding: 2.2rem 2.6rem; background: #fff; border-radius: 8px;
  box-shadow: 0 1px 4px rgb(0 0 0 / 14%); }
h1 { margin: 0 0 .2rem; font-size: 1.55rem; line-height: 1.25; }
h2 { margin: 2.2rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid #d9e0e6; font-size: 1.12rem; }
p { margin: .4rem 0; }
.verdict { margin: 1.1rem 0; padding: .8rem 1.1rem; border-left: 6px solid; border-radius: 4px; background: #f7f9fa; }
.verdict strong { font-size: 1.25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 1rem 0; }
dt { color: #52606d; }
dd { margin: 0; }
.wide { overflow-x: auto; }
table { width: 100%; min-width: 34rem; margin: .7rem 0; border-collapse: collapse; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .6rem .34rem 0; border-bottom: 1px solid #e4e9ed; text-align: left; vertical-align: top; }
thead th { color: #52606d; font-weight: 600; }
tbody th { font-weight: 400; }
td { overflow-wrap: anywhere; }
.met { color: #1b7a43; font-weight: 600; } .missed { color: #b3261e; font-weight: 600; }
.open { color: #8a5c00; font-weight: 600; }
img { display: block; width: 100%; max-width: 42rem; height: auto; margin: .8rem 0; }
footer { margin-top: 2.4rem; color: #52606d; font-size: .875rem; }
@media (max-width: 40rem) { main { margin: 0; padding: 1.2rem; border-radius: 0; } dl { grid-template-columns: 1fr; } }
@media print { body { background: #fff; } main { margin: 0; padding: 0; box-shadow: none; max-width: none; } }
"""


def html_page(document: Document) -> bytes:
    """The page, in UTF-8."""
    return "".join(_page(document)).encode()


def _page(document: Document) -> Iterator[str]:
    color = _COLORS[document.verdict]
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(document.title)}</title><style>{_STYLE}</style></head><body><main>"
    yield f"<h1>{escape(document.title)}</h1>"
    yield f'<div class="verdict" style="border-color: {color}"><strong style="color: {color}">'
    yield f"{VERDICTS[document.verdict]}</strong><p>{escape(document.summary)}</p></div>"
    yield "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in document.facts) + "</dl>"
    for section in document.sections:
        yield from _section(section)
    yield f"<footer><p>{escape(document.disclaimer)}</p></footer></main></body></html>\n"


def _section(section: Section) -> Iterator[str]:
    yield f"<section><h2>{escape(section.title)}</h2>"
    yield from (f"<p>{escape(sentence)}</p>" for sentence in section.sentences)
    if section.picture is not None:
        yield _image(section.picture)
    if section.table is not None and section.table.rows:
        yield from _table(section.table, section.title)
    yield "</section>"


def _image(picture: Picture) -> str:
    source = base64.b64encode(picture.svg).decode()
    return f'<img alt="{escape(picture.plot.text)}" src="data:image/svg+xml;base64,{source}">'


def _table(table: Table, title: str) -> Iterator[str]:
    # Reachable by keyboard, as it may be wider than the screen.
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}"><table><thead><tr>'
    yield "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head) + "</tr></thead><tbody>"
    for row in table.rows:
        cells = (f'<td class="{cell}">' if cell in {"met", "missed", "open"} else "<td>" for cell in row[1:])
        yield f'<tr><th scope="row">{escape(row[0])}</th>'
        yield "".join(f"{start}{escape(cell)}</td>" for start, cell in zip(cells, row[1:], strict=True)) + "</tr>"
    yield "</tbody></table></div>"
