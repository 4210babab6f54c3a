"""The films of the report: the winner's worst mistakes, the borderline ones, and the sheets that explain its answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.films import Film
from trainer.report.markup import heading, paragraph, picture, side_by_side
from trainer.report.mistakes import JudgedFilm, borderline, judged, thumbnails, worst
from trainer.report.records import RecordedRun
from trainer.data import SPLIT
from trainer.split import read_split

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
            _gallery(run, worst(every, SHOWN), films, "Worst: labelled wrongly, the least probability for the truth first"),
            _gallery(run, borderline(every, thresholds, SHOWN), films, "Borderline: nearest to a threshold, right or wrong"),
        ]
    return "".join(parts)


def _gallery(run: RecordedRun, shown: Sequence[JudgedFilm], films: Mapping[str, Film], title: str) -> str:
    if not shown:
        return paragraph(f"{title}: none.")
    pictures = thumbnails([film.path for film in shown], films, run.winner.record.preprocess)
    gone = sum(film.path not in pictures for film in shown)
    note = paragraph(_GONE.format(count=gone, data=run.config.data)) if gone else ""
    cards = [_card(film, pictures.get(film.path)) for film in shown]
    return paragraph(f"{title}.") + note + side_by_side(cards, width="10rem")


def _card(film: JudgedFilm, address: str | None) -> str:
    said = ", ".join(f"{name} {probability:.3f}" for name, probability in _most_probable(film))
    words = f"truth {film.truth}, label {film.label}; probabilities: {said}; {film.path}"
    if address is None:
        return paragraph(words)
    return picture(address, caption=words, alt=f"Film of {film.truth} labelled {film.label}, as the network sees it")


def _most_probable(film: JudgedFilm) -> list[tuple[str, float]]:
    """The truth, the label, and what is most probable, each once."""
    named = dict.fromkeys((film.truth, film.label, max(film.probabilities, key=film.probabilities.__getitem__)))
    return [(name, film.probabilities[name]) for name in named]


def _films(run: RecordedRun) -> dict[str, Film]:
    """The run's films by their path relative to the data folder."""
    root = Path(run.config.data)
    return {film.path.relative_to(root).as_posix(): film for film in read_split(run.folder / SPLIT, root).films}
