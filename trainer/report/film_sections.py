"""The films of the report: the winner's worst mistakes, the borderline ones, and the sheets that explain its answers."""

from collections.abc import Mapping, Sequence

from schemas.estimate import Estimate
from trainer.films.dataset import read_dataset
from trainer.films.film import Film
from trainer.heat_maps.explain import ExplanationReport
from trainer.report.html import table_html
from trainer.report.markup import data_address, heading, paragraph, picture, side_by_side, without_picture
from trainer.report.mistakes import JudgedFilm, borderline, judged, thumbnails, worst
from trainer.report.records import RecordedRun

SHOWN = 6
_GONE = "The files of {count} of these films were not found under {data}; they are described without their picture."


def mistakes_html(run: RecordedRun) -> str:
    """For each set whose outputs were kept: the worst mistakes and the borderline films of the winner."""
    winner = run.winner
    if not winner.outputs:
        return paragraph("Not known: the outputs of the films were not kept, see the winner.")
    thresholds = {point.finding: point.threshold for point in winner.record.calibration.operating_points}
    films = _films(run)
    parts = []
    for name, outputs in winner.outputs.items():
        every = judged(outputs, winner.record)
        wrong = sum(film.label != film.truth for film in every)
        parts += [
            heading(f"{name.capitalize()}: {wrong:,} of {len(every):,} films labelled wrongly at the operating point"),
            _gallery(
                run, worst(every, SHOWN), films, "Worst: labelled wrongly, the least probability for the truth first"
            ),
            _gallery(
                run, borderline(every, thresholds, SHOWN), films, "Borderline: nearest to a threshold, right or wrong"
            ),
        ]
    return "".join(parts)


def _gallery(run: RecordedRun, shown: Sequence[JudgedFilm], films: Mapping[str, Film], title: str) -> str:
    if not shown:
        return paragraph(f"{title}: none.")
    pictures = thumbnails([film.path for film in shown], films, run.winner.record.preprocess)
    gone = sum(film.path not in pictures for film in shown)
    note = paragraph(_GONE.format(count=gone, data=run.config.data.path)) if gone else ""
    cards = [_card(film, pictures.get(film.path)) for film in shown]
    return paragraph(f"{title}.") + note + side_by_side(cards, width="10rem")


def _card(film: JudgedFilm, png: bytes | None) -> str:
    said = ", ".join(f"{name} {probability:.3f}" for name, probability in _most_probable(film))
    lines = (f"truth {film.truth}", f"label {film.label}", said, film.path)
    if png is None:
        return without_picture(lines)
    alt = f"Film of {film.truth} labelled {film.label}, as the network sees it"
    return picture(data_address(png), lines=lines, alt=alt)


def _most_probable(film: JudgedFilm) -> list[tuple[str, float]]:
    """The truth, the label, and what is most probable, each once."""
    named = dict.fromkeys((film.truth, film.label, max(film.probabilities, key=film.probabilities.__getitem__)))
    return [(name, film.probabilities[name]) for name in named]


def _films(run: RecordedRun) -> dict[str, Film]:
    """The run's films by their path relative to the data folder."""
    dataset = read_dataset(run.folder, run.config.data)
    return {film.path.relative_to(dataset.root).as_posix(): film for film in dataset.split.films}


def explanations_html(run: RecordedRun) -> str:
    """What the explanations of the winner's answers show, as far as they were made."""
    found = run.winner.explanations
    if found is None:
        return paragraph("Not made for this trial: where the network looks was not examined.")
    alarm = (
        "Alarm: heat gathers at the border of the film, more than its area explains; the network may answer from a shortcut."
        if found.shortcut_alarm
        else "No alarm: heat does not gather at the border of the film. That does not exclude a shortcut elsewhere."
    )
    gap = (
        f"Insertion less deletion, less the same of a random order: {found.insertion_deletion_gap} over {found.judged_films} "
        "films; above 0 the pixels that the heat map marks move the answer more than others."
    )
    folder = run.folder.explanations(run.winner.row.trial)
    sheets = [
        picture(
            data_address(folder.sheet(sheet.file).read_bytes()),
            lines=(sheet.title, sheet.caption),
            alt=f"{sheet.title}: {sheet.caption}",
        )
        for sheet in found.sheets
        if folder.sheet(sheet.file).is_file()
    ]
    return paragraph(f"{found.method} on {found.data}. {alarm} {gap}") + _attention_table(found) + "".join(sheets)


def _attention_table(found: ExplanationReport) -> str:
    def shown(value: Estimate | None) -> str:
        return "too few films" if value is None else str(value)

    rows = [
        (
            row.name,
            f"{row.films:,}",
            *map(shown, row.center_of_mass or (None, None)),
            shown(row.consistency),
            shown(row.border_share),
            "alarm" if row.shortcut_alarm else "-",
        )
        for row in found.classes
    ]
    head = ("class", "maps", "centre, from the left", "centre, from the top", "consistency", "share at the border", "")
    caption = (
        f"Heat maps by class, centres in [0, 1]; the border is the outer tenth, {found.border_area:.0%} of the film"
    )
    return table_html(head, rows, caption=caption)
