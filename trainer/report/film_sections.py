"""The films of the report: the winner's worst mistakes, the borderline films, and the heat maps of its answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.estimate import Estimate
from trainer.films.dataset import read_dataset
from trainer.films.film import Film
from trainer.heat_maps.explain import ExplanationReport
from trainer.report.html import Picture, Table, photograph
from trainer.report.mistakes import JudgedFilm, borderline, is_nearly_black, judged_films, thumbnails, worst
from trainer.report.records import RecordedRun

FILMS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class SetMistakes:
    """What the winner gets wrong in one set of films."""

    name: str
    films: int
    wrong: int
    worst: tuple[Picture, ...]
    borderline: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class MistakeGallery:
    """What `mistakes.html.j2` shows."""

    data: str
    """The folder of the films."""
    sets: tuple[SetMistakes, ...]


@dataclass(frozen=True, slots=True)
class Explanations:
    """What `explanations.html.j2` shows."""

    report: ExplanationReport
    attention: Table
    sheets: tuple[Picture, ...]


def mistake_gallery(run: RecordedRun) -> MistakeGallery:
    """The worst mistakes and the borderline films of the winner, for each set whose outputs were kept."""
    return MistakeGallery(run.config.data.path, tuple(_set_mistakes(run)) if run.winner.outputs else ())


def _set_mistakes(run: RecordedRun) -> Iterator[SetMistakes]:
    record = run.winner.record
    thresholds = {point.finding: point.threshold for point in record.calibration.operating_points}
    index = _films(run)
    for name, outputs in run.winner.outputs.items():
        films = judged_films(outputs, record)
        yield SetMistakes(
            name=name,
            films=len(films),
            wrong=sum(film.is_wrong for film in films),
            worst=_pictures(run, worst(films, FILMS_SHOWN), index),
            borderline=_pictures(run, borderline(films, thresholds, FILMS_SHOWN), index),
        )


def _pictures(run: RecordedRun, films: Sequence[JudgedFilm], index: Mapping[str, Film]) -> tuple[Picture, ...]:
    pngs = thumbnails([film.path for film in films], index, run.winner.record.preprocess)
    return tuple(_picture(film, pngs.get(film.path)) for film in films)


def _picture(film: JudgedFilm, png: bytes | None) -> Picture:
    probabilities = ", ".join(f"{name} {probability:.3f}" for name, probability in film.named.items())
    caption: tuple[str, ...] = (f"truth {film.truth}", f"label {film.label}", probabilities, film.path)
    if png is None:
        return Picture(None, "", caption)
    if is_nearly_black(png):
        caption = (*caption, "nearly black as the network sees it: a fault of the file, or of how it is read?")
    return photograph(png, caption=caption, alt=f"Film of {film.truth} labelled {film.label}, as the network sees it")


def _films(run: RecordedRun) -> dict[str, Film]:
    """The run's films by their path relative to the data folder."""
    dataset = read_dataset(run.folder, run.config.data)
    return {film.path.relative_to(dataset.root).as_posix(): film for film in dataset.split.films}


def explanations(run: RecordedRun) -> Explanations | None:
    """The judged heat maps of the winner's answers; None where none were made."""
    report = run.winner.explanations
    if report is None:
        return None
    folder = run.folder.explanations(run.winner.row.trial)
    sheets = tuple(
        photograph(
            folder.sheet(sheet.file).read_bytes(),
            caption=(sheet.title, sheet.caption),
            alt=f"{sheet.title}: {sheet.caption}",
        )
        for sheet in report.sheets
        if folder.sheet(sheet.file).is_file()
    )
    return Explanations(report, _attention_table(report), sheets)


def _attention_table(report: ExplanationReport) -> Table:
    rows = [
        (
            row.name,
            f"{row.films:,}",
            *map(_estimate, row.center_of_mass or (None, None)),
            _estimate(row.consistency),
            _estimate(row.border_share),
            "alarm" if row.shortcut_alarm else "-",
        )
        for row in report.classes
    ]
    return Table(
        caption=(
            f"Heat maps by class; centres in [0, 1]. The border is the outer tenth, {report.border_area:.0%} of the "
            "film's area."
        ),
        head=(
            "class",
            "maps",
            "centre, from the left",
            "centre, from the top",
            "consistency",
            "share at the border",
            "alarm",
        ),
        rows=rows,
    )


def _estimate(value: Estimate | None) -> str:
    return "too few films" if value is None else str(value)
