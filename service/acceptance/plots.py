"""The pictures of a report, drawn once for the page and for the PDF; reportlab alone is needed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from reportlab.graphics import renderSVG
from reportlab.graphics.shapes import Circle, Drawing, Line, PolyLine, Rect, String
from reportlab.lib.colors import Color, HexColor

from schemas.acceptance import AcceptanceFigure, AcceptanceReport, FigureName, Limit, ReportPlot
from schemas.estimate import Estimate

WIDTH: Final = 480.0  # points, the text width of the PDF
_ROW: Final = 20.0
_LEFT: Final = 200.0
_RIGHT: Final = 20.0
_INK: Final = HexColor("#1f2933")
_PALE: Final = HexColor("#d9e0e6")
_BLUE: Final = HexColor("#1f5f99")
_OUTCOMES: Final = {"met": HexColor("#1b7a43"), "missed": HexColor("#b3261e"), "open": HexColor("#9a6700")}
_DECISIONS: Final = {
    "positive": HexColor("#b3541e"),
    "negative": HexColor("#2f6fa8"),
    "not answered": HexColor("#aab4bd"),
}
_ABBREVIATIONS: Final[dict[FigureName, str]] = {"auroc": "AUROC", "ece": "calibration error (ECE)"}
_FONT: Final = "Helvetica"
_SIZE: Final = 8.5


class Picture(NamedTuple):
    """A drawing and what the record says of it."""

    plot: ReportPlot
    drawing: Drawing

    @property
    def svg(self) -> bytes:
        """The drawing as a file."""
        return str(renderSVG.drawToString(self.drawing)).encode()


class _Row(NamedTuple):
    label: str
    value: Estimate | None
    color: Color
    limit: Limit | None = None


def pictures(report: AcceptanceReport) -> tuple[Picture, ...]:
    """Those of a report; one that would be empty is left out."""
    limited = [figure for figure in report.figures if figure.limit is not None]
    drawn = [
        Picture(
            ReportPlot(file="limits.svg", title="Figures against their limits", text=" ".join(report.reasons)),
            _forest([_limit_row(figure) for figure in limited]),
        ),
        Picture(ReportPlot(file="answers.svg", title="Answers by truth", text=_answers_text(report)), _answers(report)),
        Picture(
            ReportPlot(
                file="calibration.svg",
                title="Calibration",
                text="Share of films with the finding in each tenth of its probability: "
                + "; ".join(f"{band.in_words}: {band.observed} of {band.films} films" for band in report.bands)
                + ".",
            ),
            _calibration(report),
        ),
    ]
    if report.subgroups:
        text = "Sensitivity and specificity of the answers given, by group; the table holds the same figures."
        drawn.append(
            Picture(ReportPlot(file="subgroups.svg", title="Subgroups", text=text), _forest(_subgroup_rows(report)))
        )
    return tuple(drawn)


def short_name(figure: FigureName) -> str:
    """The figure in one or two words."""
    if figure in _ABBREVIATIONS:
        return _ABBREVIATIONS[figure]
    return figure.replace("_", " ").replace("ppv", "PPV").replace("npv", "NPV")


def _limit_row(figure: AcceptanceFigure) -> _Row:
    return _Row(short_name(figure.name), figure.estimate, _OUTCOMES[figure.outcome or "open"], figure.limit)


def _subgroup_rows(report: AcceptanceReport) -> list[_Row]:
    rows = []
    for group in report.subgroups:
        name = f"{group.attribute} {group.group} ({group.films})"
        rows.append(_Row(f"{name}: sens.", group.sensitivity, _DECISIONS["positive"]))
        rows.append(_Row("spec.", group.specificity, _DECISIONS["negative"]))
    return rows


def _forest(rows: Sequence[_Row]) -> Drawing:
    """A line for each figure: its interval, its value, and the limit as a bar across."""
    height = _ROW * len(rows) + 30
    drawing = Drawing(WIDTH, height)
    _axis(drawing, _x, 22, height - 4)
    for number, row in enumerate(rows):
        y = height - 14 - number * _ROW
        drawing.add(
            String(
                _LEFT - 24, y - 3, _short(row.label), textAnchor="end", fontName=_FONT, fontSize=_SIZE, fillColor=_INK
            )
        )
        for bound in () if row.limit is None else (row.limit.at_least, row.limit.at_most):
            if bound is not None:
                x = _x(bound)
                drawing.add(Line(x, y - 8, x, y + 8, strokeColor=_INK, strokeWidth=1.6))
        if row.value is None:
            drawing.add(String(_x(0) + 4, y - 3, "no film", fontName=_FONT, fontSize=_SIZE, fillColor=_INK))
            continue
        drawing.add(Line(_x(row.value.low), y, _x(row.value.high), y, strokeColor=row.color, strokeWidth=2.2))
        drawing.add(Circle(_x(row.value.value), y, 3.4, fillColor=row.color, strokeColor=None))
    return drawing


def _x(share: float) -> float:
    return _LEFT + min(1.0, max(0.0, share)) * (WIDTH - _LEFT - _RIGHT)


def _axis(drawing: Drawing, place: Callable[[float], float], low: float, high: float) -> None:
    for tick in range(0, 101, 20):
        x = place(tick / 100)
        drawing.add(Line(x, low, x, high, strokeColor=_PALE, strokeWidth=0.6))
        drawing.add(
            String(x, low - 12, f"{tick} %", textAnchor="middle", fontName=_FONT, fontSize=_SIZE, fillColor=_INK)
        )


def _answered(report: AcceptanceReport) -> Iterable[tuple[str, int, dict[str, int]]]:
    counts = report.counts
    hits = counts.positive - counts.false_alarms
    rejections = counts.negative - counts.missed
    for name, films, positive, negative in (
        (f"with {report.finding}", counts.with_finding, hits, counts.missed),
        ("without it", counts.without_finding, counts.false_alarms, rejections),
    ):
        yield name, films, {"positive": positive, "negative": negative, "not answered": films - positive - negative}


def _answers_text(report: AcceptanceReport) -> str:
    return " ".join(
        f"Of {films} films {name} " + ", ".join(f"{count} {decision}" for decision, count in decisions.items()) + "."
        for name, films, decisions in _answered(report)
    )


def _answers(report: AcceptanceReport) -> Drawing:
    """A bar for the films with the finding and one for those without, divided by what was answered."""
    drawing = Drawing(WIDTH, 112)
    for number, (name, films, decisions) in enumerate(_answered(report)):
        y = 78 - number * 34
        label = _short(f"{name}: {films} films")
        drawing.add(String(_LEFT - 24, y + 5, label, textAnchor="end", fontName=_FONT, fontSize=_SIZE, fillColor=_INK))
        start = 0.0
        for decision, count in decisions.items():
            width = (count / films if films else 0) * (WIDTH - _LEFT - _RIGHT)
            drawing.add(
                Rect(_LEFT + start, y - 3, width, 22, fillColor=_DECISIONS[decision], strokeColor=HexColor("#ffffff"))
            )
            if width > 18:  # noqa: PLR2004 else the number would not fit
                drawing.add(
                    String(
                        _LEFT + start + width / 2,
                        y + 5,
                        str(count),
                        textAnchor="middle",
                        fontName=_FONT,
                        fontSize=_SIZE,
                        fillColor=HexColor("#ffffff"),
                    )
                )
            start += width
    for number, (decision, color) in enumerate(_DECISIONS.items()):
        x = _LEFT + number * 92
        drawing.add(Rect(x, 10, 10, 10, fillColor=color, strokeColor=None))
        drawing.add(String(x + 15, 12, decision, fontName=_FONT, fontSize=_SIZE, fillColor=_INK))
    return drawing


def _calibration(report: AcceptanceReport) -> Drawing:
    """What is claimed against what is so, a point with its interval for each band that has films."""
    side, left, low = 210.0, 150.0, 34.0
    drawing = Drawing(WIDTH, side + low + 14)

    def across(share: float) -> float:
        return left + share * side

    def up(share: float) -> float:
        return low + share * side

    _axis(drawing, across, low, low + side)
    for tick in range(0, 101, 20):
        y = up(tick / 100)
        drawing.add(Line(left, y, left + side, y, strokeColor=_PALE, strokeWidth=0.6))
        drawing.add(
            String(left - 6, y - 3, f"{tick} %", textAnchor="end", fontName=_FONT, fontSize=_SIZE, fillColor=_INK)
        )
    drawing.add(
        PolyLine([left, low, left + side, low + side], strokeColor=_INK, strokeWidth=0.7, strokeDashArray=[3, 3])
    )
    for band in report.bands:
        x = across(band.claimed)
        drawing.add(Line(x, up(band.observed.low), x, up(band.observed.high), strokeColor=_BLUE, strokeWidth=1.4))
        drawing.add(
            Circle(x, up(band.observed.value), min(6.0, 2.0 + band.films**0.5 / 4), fillColor=_BLUE, strokeColor=None)
        )
    drawing.add(
        String(
            left + side / 2,
            6,
            "claimed probability",
            textAnchor="middle",
            fontName=_FONT,
            fontSize=_SIZE,
            fillColor=_INK,
        )
    )
    drawing.add(String(0, low + side - 6, "films with the finding", fontName=_FONT, fontSize=_SIZE, fillColor=_INK))
    return drawing


def _short(label: str) -> str:
    longest = 42
    return label if len(label) <= longest else label[: longest - 1] + "…"
