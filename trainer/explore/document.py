"""The exploratory report of a set of films: a record beside it as JSON, and one HTML file for a person."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.files import write_whole
from schemas.preprocess import PreprocessSpec
from trainer.explore.data_report import SPREADS, DataReport, describe
from trainer.explore.facts import FilmFacts, film_facts
from trainer.explore.figures import counts_figure, fact_figure, montage, probe_figure
from trainer.explore.probes import ALARM, Probe
from trainer.films.cache import prepared_films
from trainer.films.duplicates import mark_copies
from trainer.films.film import Film, FilmIndex
from trainer.films.options import NEAR_DUPLICATE
from trainer.report.html import Section, figure_html, render_page, table_html
from trainer.report.markup import bullets, data_address, heading, narrow, paragraph, picture, side_by_side
from trainer.reporter import Progress

_NAMES: Mapping[str, str] = {
    "rows": "rows, pixels",
    "columns": "columns, pixels",
    "aspect": "width over height",
    "bytes_per_pixel": "bytes of the file a pixel",
    "mean": "mean intensity, of white",
    "contrast": "standard deviation of the intensity",
    "border": "mean intensity of the outer frame",
}
_COLUMNS = 6


def write_data_report(  # noqa: PLR0913 - what the report is a function of, and where it tells
    index: FilmIndex, out: Path, *, data: str, cache: Path, side: int, shown: int, seed: int, progress: Progress | None
) -> DataReport:
    """Describe films and write the report, and beside it the same as JSON.

    Args:
        index: the films.
        out: the HTML file.
        data: how the user names them.
        cache: where thumbnails are kept.
        side: of the films of the montages, pixels.
        shown: films of each class in its montage.
        seed: which films these are.
        progress: told of each film.

    Raises:
        TrainingDataError: no space left, or masks among the films.
    """
    marked = mark_copies(index, cache, threshold=NEAR_DUPLICATE, skip_unreadable=True, progress=progress)
    facts = tuple(film_facts(marked.films, progress))
    report = describe(marked, facts, data=data)
    sheets = {
        label: montage(
            prepared_films(_sample(marked.films, label, shown, seed), PreprocessSpec(size=side), cache), _COLUMNS
        )
        for label in marked.classes
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out.with_suffix(".json"), report.model_dump_json(indent=2).encode())
    write_whole(out, render(report, _values(marked, facts), sheets).encode())
    return report


def render(
    report: DataReport, values: Mapping[str, Mapping[str, NDArray[np.float64]]], sheets: Mapping[str, bytes]
) -> str:
    """The page.

    Args:
        report: the record.
        values: by fact and class, [n].
        sheets: by class, the montage as PNG.
    """
    sections = [
        Section("What stands out", bullets(findings(report))),
        Section("Films", _films(report)),
        Section("A look at each class", _montages(sheets)),
        Section("What a network could cheat with", _probes(report.probes)),
        Section("Distributions", _distributions(report, values)),
        Section("Copies and leaks", _copies(report)),
    ]
    if report.dropped or report.notes:
        sections.append(Section("Left out and decided", bullets((*report.notes, *report.dropped))))
    subtitle = f"{report.films:,} films of {report.patients:,} patients, SHA-256 {report.data_sha256[:12]}"
    return render_page(f"Data report: {report.data}", subtitle, sections)


def findings(report: DataReport) -> list[str]:
    """What a reader must know before training, in words."""
    counts = {label: sum(found[label] for found in report.counts.values()) for label in report.classes}
    most = max(counts, key=counts.__getitem__)
    least = min(counts, key=counts.__getitem__)
    ratio = counts[most] / max(1, counts[least])
    lines = [
        "Every class has as many films as any other."
        if counts[most] == counts[least]
        else f"{most} has {ratio:.1f} times as many films as {least}."
    ]
    for tells in dict.fromkeys(probe.tells for probe in report.probes):
        alarms = [probe for probe in report.probes if probe.alarm and probe.tells == tells]
        if alarms:
            said = ", ".join(f"{probe.name} ({probe.auroc})" for probe in alarms)
            lines.append(f"Without looking at a lung, {tells} can be told by {said}.")
        else:
            lines.append(f"No simple fact about the files tells {tells}: every AUROC may be {ALARM} or less.")
    if report.leak_count:
        lines.append(f"{report.leak_count} leaks between the splits: training stops at them.")
    if report.exact_copies or report.near_copies:
        lines.append(
            f"{report.exact_copies} films have the bytes of another, {report.near_copies} show another's picture in another encoding."
        )
    if report.dropped:
        lines.append(f"{len(report.dropped)} files cannot be read: training stops at them unless --skip-unreadable.")
    return lines


def _films(report: DataReport) -> str:
    splits = [
        (
            split,
            f"{sum(found.values()):,}",
            f"{report.patients_by_split[split]:,}",
            *(f"{found[label]:,}" for label in report.classes),
        )
        for split, found in report.counts.items()
    ]
    words = "; ".join(
        f"{split}: {', '.join(f'{count:,} {label}' for label, count in found.items())}"
        for split, found in report.counts.items()
    )
    figure = narrow(figure_html(counts_figure(report.counts), caption="Films of each class in each split", alt=words))
    formats = [(label, kind, f"{count:,}") for label, kinds in report.formats.items() for kind, count in kinds.items()]
    many = [(str(films), f"{patients:,}") for films, patients in report.films_per_patient.items()]
    tables = (
        table_html(("set", "films", "patients", *report.classes), splits, caption="Films and patients"),
        table_html(("class", "format", "films"), formats, caption="File formats"),
        table_html(
            ("columns x rows", "films"),
            [(size, f"{count:,}") for size, count in report.sizes.items()],
            caption="Most frequent sizes",
        ),
        table_html(("films of a patient", "patients"), many[:12], caption="Films per patient"),
    )
    return figure + side_by_side(tables)


def _montages(sheets: Mapping[str, bytes]) -> str:
    return "".join(
        heading(label)
        + picture(data_address(png), lines=("drawn at random, as the network sees them",), alt=f"Films of {label}")
        for label, png in sheets.items()
    )


def _probes(probes: Sequence[Probe]) -> str:
    parts = [
        paragraph(
            "Each probe is a logistic regression on facts that show no lung, cross-validated by patient. An alarm means that "
            f"the whole 95 % interval lies above {ALARM}: a network may learn the fact instead of the finding, and a figure on "
            "films with the same habit would not show it."
        )
    ]
    for tells in dict.fromkeys(probe.tells for probe in probes):
        told = [probe for probe in probes if probe.tells == tells]
        rows = [
            (
                probe.name,
                "the same for every film" if probe.auroc is None else str(probe.auroc),
                "alarm" if probe.alarm else "",
            )
            for probe in told
        ]
        words = "; ".join(f"{name} {area}" for name, area, _ in rows)
        parts += [
            heading(f"Telling {tells}"),
            narrow(figure_html(probe_figure(told), caption=f"How well each fact tells {tells}", alt=words)),
            table_html(("fact", "AUROC", ""), rows, caption="Cross-validated by patient, 95 % intervals"),
        ]
    return "".join(parts)


def _distributions(report: DataReport, values: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> str:
    figures = []
    for fact, found in values.items():
        quantiles = {spread.label: spread.quantiles for spread in report.spreads if spread.fact == fact}
        words = "; ".join(
            f"{label}: median {found[2]:g}, from {found[0]:g} to {found[4]:g}" for label, found in quantiles.items()
        )
        if len({value for row in quantiles.values() for value in row}) == 1:
            figures.append(paragraph(f"{_NAMES[fact]}: {next(iter(quantiles.values()))[0]:g} for every film."))
        else:
            figures.append(
                figure_html(fact_figure(found, name=_NAMES[fact]), caption=words, alt=f"{_NAMES[fact]}. {words}")
            )
    return side_by_side(figures)


def _copies(report: DataReport) -> str:
    if not report.leak_count:
        return paragraph("No patient, no copy and no re-encoded copy of a film stands in two splits.")
    more = [f"… and {report.leak_count - len(report.leaks)} more"] if report.leak_count > len(report.leaks) else []
    return paragraph(f"{report.leak_count} leaks between the splits:") + bullets((*report.leaks, *more))


def _sample(films: Sequence[Film], label: str, count: int, seed: int) -> list[Film]:
    mine = [film for film in films if film.label == label]
    chosen = np.random.default_rng(seed).permutation(len(mine))[:count]
    return [mine[place] for place in sorted(chosen.tolist())]


def _values(index: FilmIndex, facts: Sequence[FilmFacts]) -> dict[str, dict[str, NDArray[np.float64]]]:
    labels = np.array([film.label for film in index.films])
    columns = {
        fact: np.array([film.columns / film.rows if fact == "aspect" else getattr(film, fact) for film in facts])
        for fact in SPREADS
    }
    return {fact: {label: column[labels == label] for label in index.classes} for fact, column in columns.items()}
