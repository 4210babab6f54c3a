"""How the command line reports films: a table for a person, JSON lines for a program."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final, Literal, TextIO

from schemas.api import DISCLAIMER, PredictResponse
from schemas.errors import SettingsError

Format = Literal["auto", "table", "json"]

_PICTURES: Final = {"explanation": {"heatmap_png_base64", "overlay_png_base64"}}
"""Written to files; no line of JSON carries them."""


class NoReadingError(Exception):
    """One film that has no answer; the others go on."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


Outcome = PredictResponse | NoReadingError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that reading here and reading by a server share."""
    parser.add_argument("films", nargs="+", type=Path, metavar="FILE", help="JPEG, PNG or DICOM")
    parser.add_argument(
        "--format",
        choices=("auto", "table", "json"),
        default="auto",
        help="json: one object a line; default: a table on a terminal, json otherwise",
    )
    parser.add_argument(
        "--population",
        type=str.lower,
        metavar="NAME",
        help="whose films these are, e.g. child, where several bundles serve and neither file nor bundle can tell",
    )
    parser.add_argument(
        "--age", metavar="YEARS", help="of the patient, e.g. 4 or 018M; it counts where a film's file states none"
    )
    parser.add_argument("--view", help="e.g. PA, AP, lateral; it counts where a film's file states none")
    parser.add_argument(
        "--explain", type=Path, metavar="DIR", help="write each film under its heat map to DIR/FILE.png"
    )


def prepare_folder(folder: Path | None, films: Sequence[Path]) -> None:
    """Make the folder for overlays, before the first film is read.

    Raises:
        SettingsError: two films would have one overlay, or the folder cannot be made.
    """
    if folder is None:
        return
    names = [film.name for film in films]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        msg = f"two films are called {duplicates[0]}, so their overlays would be one file; read them in two runs"
        raise SettingsError(msg)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"--explain {folder} cannot be made ({error.strerror}); give a folder that can be written"
        raise SettingsError(msg) from error


def printer(chosen: Format, films: Sequence[Path]) -> Callable[[Path, Outcome], None]:
    """What prints the outcome of one film."""
    if chosen == "json" or (chosen == "auto" and not sys.stdout.isatty()):
        return _print_json
    width = max(len(str(film)) for film in films)
    _print_line(f"{'film':<{width}}  {'label':<22} {'probability':>11}  {'decision':<9} confidence")

    def print_row(film: Path, outcome: Outcome) -> None:
        for name, row in zip_longest((str(film),), _rows(outcome), fillvalue=""):
            _print_line(f"{name:<{width}}  {row}")

    return print_row


def finish(films: Sequence[Path], failures: Sequence[Path]) -> None:
    """Print how many films have no answer, and what answers are not for."""
    if count := len(failures):
        _print_line(f"{count} of {len(films)} films have no answer", sys.stderr)
    _print_line(DISCLAIMER, sys.stderr)


def _print_line(line: str, stream: TextIO | None = None) -> None:
    stream = stream or sys.stdout
    stream.write(line + "\n")
    stream.flush()


def _print_json(film: Path, outcome: Outcome) -> None:
    line: dict[str, object] = {"file": str(film)}
    if isinstance(outcome, NoReadingError):
        line["failure"] = {"code": outcome.code, "detail": outcome.detail}
    else:
        line |= outcome.model_dump(mode="json", exclude=_PICTURES)
    _print_line(json.dumps(line))


def _rows(outcome: Outcome) -> list[str]:
    """A line for each positive finding; where there is none, one for the film."""
    if isinstance(outcome, NoReadingError):
        return [f"{outcome.code}: {outcome.detail}"]
    answer = outcome.prediction
    if positive := [finding for finding in answer.findings if finding.decision == "positive"]:
        return [_row(each.name, each.probability, each.decision, each.confidence_band) for each in positive]
    # The label of a film with none of several findings has no probability: that of the finding nearest to it is shown.
    probability = answer.probabilities.get(answer.label, answer.probabilities[answer.operating_point.finding])
    return [_row(answer.label, probability, answer.decision, answer.confidence_band)]


def _row(label: str, probability: float, decision: str, band: str) -> str:
    return f"{label:<22} {probability:>11.3f}  {decision:<9} {band}"
