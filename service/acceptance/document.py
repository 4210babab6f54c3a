"""What a report says, as sections of sentences and tables: the page and the PDF only lay it out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from schemas.acceptance import AcceptanceReport, AcceptanceVerdict, SampleSize
from schemas.estimate import Estimate
from service.acceptance.plots import Picture, short_name

VERDICTS: Final[dict[AcceptanceVerdict, str]] = {
    "accept": "Accepted",
    "reject": "Rejected",
    "not_enough": "Not enough films",
}
_MEANINGS: Final[dict[AcceptanceVerdict, str]] = {
    "accept": "Every interval lies within its limit.",
    "reject": "At least one interval lies wholly beyond its limit.",
    "not_enough": "No interval lies wholly beyond its limit, but at least one straddles it: the films decide nothing.",
}
_REASONS: Final = {
    "unclear": "the classes cannot be told apart surely enough",
    "unfamiliar": "unlike the films of training",
    "not_frontal": "the file states another view",
    "low_contrast": "a small part of the gray levels is used",
    "outside_population": "outside of the bundle's population",
}
_ABOUT_FIGURES: Final = (
    "Intervals hold the true figure with 95 % confidence where each film is of another patient. The model card judges "
    "the label of every film of its test set, this report the answers given: compare with care."
)
_UNDEFINED: Final = "no film"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report."""

    title: str
    verdict: AcceptanceVerdict
    summary: str
    sections: tuple[Section, ...]
    disclaimer: str
    facts: tuple[tuple[str, str], ...] = field(default=())


def document(report: AcceptanceReport, pictures: tuple[Picture, ...]) -> Document:
    """The report in words and tables."""
    return Document(
        title=f"Acceptance of {report.model.name} {report.model.version}"
        + (f" at {report.site}" if report.site else ""),
        verdict=report.verdict,
        summary=_MEANINGS[report.verdict],
        sections=tuple(_sections(report, {picture.plot.file: picture for picture in pictures})),
        disclaimer=report.disclaimer,
        facts=tuple(_facts(report)),
    )


def _facts(report: AcceptanceReport) -> Iterator[tuple[str, str]]:
    counts = report.counts
    yield "finding", f"{report.finding}, called from a probability of {report.threshold:.4f}"
    if report.profile is not None:
        promise = (
            f"of the site ({report.profile.site}): at most {report.profile.risk:.1%} of the films with the finding "
            f"answered negative, confidence {report.profile.confidence:.0%}"
        )
        yield "operating point", promise
    else:
        yield "operating point", "the bundle's own"
    yield "films", f"{counts.films} read, {counts.with_finding} with the finding ({report.prevalence:.1%})"
    left_out = (
        f"{counts.missing} labelled films are not in the folder, {counts.unreadable} cannot be read, "
        f"{counts.unlabelled} films have no label"
    )
    yield "left out", left_out
    yield "made", f"{report.made_at:%Y-%m-%d %H:%M} UTC, software {report.software_version}, {report.seconds:g} s"


def _sections(report: AcceptanceReport, pictures: dict[str, Picture]) -> Iterator[Section]:
    stated = report.limits.stated_prevalence
    yield Section("Limits", report.reasons, picture=pictures["limits.svg"])
    yield Section("Films that a decision takes", tuple(map(_sample_sentence, report.sample_sizes)))
    prevalence = (f"Predictive values also stand at the stated prevalence of {stated:.1%}.",) if stated else ()
    yield Section(
        "Figures",
        (_ABOUT_FIGURES, *prevalence),
        _figures(report),
    )
    yield Section("Answers", table=_abstentions(report), picture=pictures["answers.svg"])
    yield Section(
        "Calibration",
        ("On the dashed line as many films have the finding as the probability claims; bars are 95 % intervals.",),
        picture=pictures["calibration.svg"],
    )
    if report.subgroups:
        yield Section(
            "Subgroups",
            ("Groups of fewer than 5 films stand together as others. No limit applies to a group.",),
            _subgroups(report),
            pictures["subgroups.svg"],
        )
    yield Section("What can be checked", table=_hashes(report))


def _sample_sentence(size: SampleSize) -> str:
    name = short_name(size.figure)
    if size.films == 0:
        return f"{name}: there are no {size.kind}."
    if size.needed is None:
        return f"{name}: the figure of {size.films} {size.kind} lies on its limit; no number of films decides it."
    if size.needed <= size.films:
        return f"{name}: {size.films} {size.kind} decide it."
    return f"{name}: there are {size.films} {size.kind}; about {size.needed} with the same figure would decide it."


def _figures(report: AcceptanceReport) -> Table:
    rows = [
        (
            figure.title,
            _percent(figure.estimate),
            f"{figure.films}" if figure.hits is None else f"{figure.hits} of {figure.films}",
            "" if figure.limit is None else str(figure.limit),
            "" if figure.outcome is None else figure.outcome,
            "" if figure.card is None else _percent(figure.card),
        )
        for figure in report.figures
    ]
    return Table(("figure", "here", "films", "limit", "outcome", "model card"), tuple(rows))


def _abstentions(report: AcceptanceReport) -> Table:
    rows = [(_REASONS.get(row.reason, row.reason), str(row.films), str(row.with_finding)) for row in report.abstentions]
    return Table(("why there is no answer", "films", "with the finding"), tuple(rows))


def _subgroups(report: AcceptanceReport) -> Table:
    rows = [
        (
            f"{row.attribute}: {row.group}",
            f"{row.films} ({row.with_finding})",
            _percent(row.sensitivity),
            _percent(row.specificity),
            _percent(row.answered),
        )
        for row in report.subgroups
    ]
    return Table(("group", "films (with the finding)", "sensitivity", "specificity", "answered"), tuple(rows))


def _hashes(report: AcceptanceReport) -> Table:
    rows = [
        ("limits, recorded before a label was read", f"{report.limits.recorded_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("SHA-256 of the limits", report.limits.sha256),
        ("SHA-256 of the labels", report.labels_sha256),
        ("SHA-256 over the films", report.films_sha256),
        ("SHA-256 of the bundle", report.model.sha256),
    ]
    if report.profile is not None:
        rows.append(("SHA-256 of the site profile", report.profile.sha256))
    return Table(("what", "value"), tuple(rows))


def _percent(value: Estimate | None) -> str:
    return _UNDEFINED if value is None else f"{value.value:.1%} [{value.low:.1%}, {value.high:.1%}]"
