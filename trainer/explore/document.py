"""The exploratory report of a set of films: a record as JSON, and one HTML file for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.files import write_whole
from schemas.model.evaluation import films_in_words
from schemas.preprocess import PreprocessSpec
from trainer.explore.data_report import SPREADS, DataReport, describe
from trainer.explore.facts import FilmFacts, film_facts
from trainer.explore.figures import counts_figure, fact_figure, montage, probe_figure
from trainer.explore.findings import findings
from trainer.explore.probes import ALARM, Probe
from trainer.films.cache import prepared_films
from trainer.films.copies.marking import mark_altered
from trainer.films.duplicates import mark_copies
from trainer.films.film import Film, FilmIndex
from trainer.films.options import NEAR_DUPLICATE
from trainer.report.html import Picture, Section, Table, drawing, photograph, render_page
from trainer.reporter import Progress

Values = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""A fact's values [n] by the name of the fact and by class."""

_NAMES: Mapping[str, str] = {
    "rows": "rows, pixels",
    "columns": "columns, pixels",
    "aspect": "width over height",
    "bytes_per_pixel": "bytes of the file per pixel",
    "mean": "mean intensity, as a share of white",
    "contrast": "standard deviation of the intensity",
    "border": "mean intensity of the outer frame",
}
_COLUMNS = 6
_PATIENT_ROWS = 12


@dataclass(frozen=True, slots=True)
class Counts:
    """What `counts.html.j2` shows."""

    figure: Picture
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class ProbedTarget:
    """What the probes found about one target."""

    name: str
    figure: Picture
    table: Table


@dataclass(frozen=True, slots=True)
class Probes:
    """What `probes.html.j2` shows."""

    alarm: float
    """A probe alarms when its interval lies above this AUROC."""
    targets: tuple[ProbedTarget, ...]


@dataclass(frozen=True, slots=True)
class Distributions:
    """What `distributions.html.j2` shows."""

    constant: tuple[str, ...]
    """Sentences about facts that are the same for every film."""
    figures: tuple[Picture, ...]


def write_data_report(  # noqa: PLR0913 - what the report is a function of
    index: FilmIndex, out: Path, *, data: str, cache: Path, side: int, shown: int, seed: int, progress: Progress | None
) -> DataReport:
    """Describe films and write the report, and the same as JSON next to it.

    Args:
        index: the films.
        out: the HTML file.
        data: how the user names them.
        cache: where thumbnails are kept.
        side: of a film in a montage, pixels.
        shown: films of each class in its montage.
        seed: of their random choice.
        progress: called after each film.

    Raises:
        TrainingDataError: the disk is full, or there are masks among the films.
    """
    encoded_again = mark_copies(index, cache, threshold=NEAR_DUPLICATE, skip_unreadable=True, progress=progress)
    marked = mark_altered(encoded_again, cache, "auto", progress=progress)
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


def render(report: DataReport, values: Values, sheets: Mapping[str, bytes]) -> str:
    """The page.

    Args:
        report: the record.
        values: of the facts.
        sheets: by class, the montage as PNG.
    """
    sections = [
        Section("What stands out", "bullets.html.j2", findings(report)),
        Section("Films", "counts.html.j2", _counts(report)),
        Section("A look at each class", "montages.html.j2", _montages(sheets)),
        Section("Shortcuts that a network could learn", "probes.html.j2", _probes(report.probes)),
        Section("Distributions", "distributions.html.j2", _distributions(report, values)),
        Section("Copies and leaks", "copies.html.j2", report),
    ]
    if report.dropped or report.notes:
        sections.append(Section("Left out and decided", "bullets.html.j2", (*report.notes, *report.dropped)))
    films = films_in_words(report.films, report.patients, report.unknown_patients)
    subtitle = f"{films}, SHA-256 {report.data_sha256[:12]}"
    return render_page(f"Data report: {report.data}", subtitle, sections, package="trainer.explore")


def _counts(report: DataReport) -> Counts:
    splits = [
        (
            split,
            f"{report.films_of(split):,}",
            report.patients_in_words(split),
            *(f"{by_class[label]:,}" for label in report.classes),
        )
        for split, by_class in report.counts.items()
    ]
    alt = "; ".join(
        f"{split}: {', '.join(f'{count:,} {label}' for label, count in by_class.items())}"
        for split, by_class in report.counts.items()
    )
    formats = [(label, kind, f"{count:,}") for label, kinds in report.formats.items() for kind, count in kinds.items()]
    sizes = [(size, f"{count:,}") for size, count in report.sizes.items()]
    patients = [(str(films), f"{count:,}") for films, count in report.films_per_patient.items()]
    return Counts(
        figure=drawing(counts_figure(report.counts), caption="Films of each class in each split.", alt=alt),
        tables=(
            Table("Films and patients", ("set", "films", "patients", *report.classes), splits),
            Table("File formats", ("class", "format", "films"), formats),
            Table("Most frequent sizes", ("columns x rows", "films"), sizes),
            Table("Films per patient", ("films of a patient", "patients"), patients[:_PATIENT_ROWS]),
        ),
    )


def _montages(sheets: Mapping[str, bytes]) -> dict[str, Picture]:
    caption = ("drawn at random, as the network sees them",)
    return {label: photograph(png, caption=caption, alt=f"Films of {label}") for label, png in sheets.items()}


def _probes(probes: Sequence[Probe]) -> Probes:
    targets = dict.fromkeys(probe.separates for probe in probes)
    return Probes(
        alarm=ALARM,
        targets=tuple(
            _probed_target(target, [probe for probe in probes if probe.separates == target]) for target in targets
        ),
    )


def _probed_target(target: str, probes: Sequence[Probe]) -> ProbedTarget:
    rows = [
        (
            probe.name,
            "the same for every film" if probe.auroc is None else str(probe.auroc),
            "alarm" if probe.alarm else "-",
        )
        for probe in probes
    ]
    alt = "; ".join(f"{name} {area}" for name, area, _ in rows)
    return ProbedTarget(
        name=target,
        figure=drawing(probe_figure(probes), caption=f"How well each fact separates {target}.", alt=alt),
        table=Table("Cross-validated by patient, 95 % intervals.", ("fact", "AUROC", "alarm"), rows),
    )


def _distributions(report: DataReport, values: Values) -> Distributions:
    constant = []
    figures = []
    for fact, by_class in values.items():
        quantiles = {spread.label: spread.quantiles for spread in report.spreads if spread.fact == fact}
        name = _NAMES[fact]
        if len({value for row in quantiles.values() for value in row}) == 1:
            constant.append(f"{name}: {next(iter(quantiles.values()))[0]:g} for every film.")
            continue
        caption = "; ".join(
            f"{label}: median {median:g}, from {lowest:g} to {highest:g}"
            for label, (lowest, _, median, _, highest) in quantiles.items()
        )
        figures.append(drawing(fact_figure(by_class, name=name), caption=caption, alt=f"{name}. {caption}"))
    return Distributions(tuple(constant), tuple(figures))


def _sample(films: Sequence[Film], label: str, count: int, seed: int) -> list[Film]:
    of_class = [film for film in films if label in film.strata]
    choice = np.random.default_rng(seed).permutation(len(of_class))[:count]
    return [of_class[place] for place in sorted(choice.tolist())]


def _values(index: FilmIndex, facts: Sequence[FilmFacts]) -> Values:
    members = {label: np.array([label in film.strata for film in index.films]) for label in index.classes}
    columns = {
        fact: np.array([film.columns / film.rows if fact == "aspect" else getattr(film, fact) for film in facts])
        for fact in SPREADS
    }
    return {fact: {label: column[having] for label, having in members.items()} for fact, column in columns.items()}
