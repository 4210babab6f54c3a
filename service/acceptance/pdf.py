"""A report as PDF, for the file of the device."""

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Grid

from schemas.acceptance import AcceptanceVerdict
from service.acceptance.document import VERDICTS, Document, Section, Table
from service.acceptance.plots import WIDTH

_COLORS: Final[dict[AcceptanceVerdict, str]] = {"accept": "#1b7a43", "reject": "#b3261e", "not_enough": "#8a5c00"}
_OUTCOMES: Final = {"met": "#1b7a43", "missed": "#b3261e", "open": "#8a5c00"}
_TEXT: Final = ParagraphStyle("text", fontName="Helvetica", fontSize=9.5, leading=13, textColor=HexColor("#1f2933"))
_CELL: Final = ParagraphStyle("cell", parent=_TEXT, fontSize=8, leading=10)
_HEAD: Final = ParagraphStyle("head", parent=_CELL, textColor=HexColor("#52606d"), fontName="Helvetica-Bold")
_TITLE: Final = ParagraphStyle("title", parent=_TEXT, fontName="Helvetica-Bold", fontSize=16, leading=20)
_SECTION: Final = ParagraphStyle(
    "section", parent=_TEXT, fontName="Helvetica-Bold", fontSize=11.5, leading=15, spaceBefore=12, spaceAfter=4
)
_WIDTHS: Final = {
    2: (0.38, 0.62),
    3: (0.6, 0.2, 0.2),
    5: (0.22, 0.18, 0.2, 0.2, 0.2),
    6: (0.28, 0.19, 0.11, 0.14, 0.1, 0.18),
}
"""Shares of the text's width, by the number of columns."""
_FRAME_PADDING: Final = 6  # of reportlab's frames


def pdf_file(document: Document) -> bytes:
    """The bytes of the file."""
    buffer = io.BytesIO()
    margin = (A4[0] - WIDTH) / 2
    frame = margin - _FRAME_PADDING
    template = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=frame,
        rightMargin=frame,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title=document.title,
        author="cxr-classifier",
    )

    def footer(canvas: Canvas, page: Any) -> None:
        canvas.saveState()
        canvas.setFont("Helvetica", 7.5)
        canvas.setFillColor(HexColor("#52606d"))
        canvas.drawString(margin, 10 * mm, document.disclaimer)
        canvas.drawRightString(A4[0] - margin, 10 * mm, str(page.page))
        canvas.restoreState()

    template.build(list(_story(document)), onFirstPage=footer, onLaterPages=footer)
    return buffer.getvalue()


def _story(document: Document) -> Iterator[Any]:
    color = _COLORS[document.verdict]
    yield Paragraph(escape(document.title), _TITLE)
    yield Spacer(1, 6)
    verdict = (
        f'<font size="13" color="{color}"><b>{VERDICTS[document.verdict]}</b></font><br/>{escape(document.summary)}'
    )
    box = Grid([[Paragraph(verdict, ParagraphStyle("box", parent=_TEXT, leading=17))]], colWidths=[WIDTH])
    box.setStyle(
        [
            ("LINEBEFORE", (0, 0), (0, -1), 4, HexColor(color)),
            ("BACKGROUND", (0, 0), (-1, -1), HexColor("#f5f7f8")),
            ("LEFTPADDING", (0, 0), (-1, -1), 10),
            ("TOPPADDING", (0, 0), (-1, -1), 6),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
        ]
    )
    yield box
    yield Spacer(1, 6)
    yield _grid(Table(("", ""), document.facts), (0.2, 0.8), head=False)
    for section in document.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[Any]:
    opening: list[Any] = [Paragraph(escape(section.title), _SECTION)]
    opening += [Paragraph(escape(sentence), _TEXT) for sentence in section.sentences]
    if section.picture is not None:
        opening += [Spacer(1, 4), section.picture.drawing]
    yield KeepTogether(opening)
    if section.table is not None and section.table.rows:
        yield Spacer(1, 4)
        yield _grid(section.table, _WIDTHS[len(section.table.head)])


def _grid(table: Table, shares: Sequence[float], *, head: bool = True) -> Any:
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    if head:
        rows.insert(0, [Paragraph(escape(cell), _HEAD) for cell in table.head])
    grid = Grid(rows, colWidths=[share * WIDTH for share in shares], repeatRows=int(head))
    grid.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#d9e0e6")),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 5),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ]
    )
    return grid


def _cell(text: str) -> Any:
    color = _OUTCOMES.get(text)
    shown = escape(text)
    return Paragraph(shown if color is None else f'<font color="{color}"><b>{shown}</b></font>', _CELL)
