r"""What a served bundle behind a guide answers: films of its population, altered ones, and those of others, by HTTP.

    python -m benchmarks.guide --data ../shared/data --table runs/guide/table.csv --models MODELS --model NAME/VERSION \
        [--films 100] [--write]

The films are validation films of the guide's table and test films of the four-class set: they trained neither the guide
nor the network. `--write` puts the table into docs/results/behind-a-guide.md, below the text that stands there.
"""

import http.client
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.guide.kinds import Asked, Film, asked, bundle_parser, validation_rows
from benchmarks.resilience.server import Server, running
from biostatistics.intervals import wilson_interval
from bundle.files import write_whole

PAGE = Path("docs/results/behind-a-guide.md")
MARK = "<!-- below: python -m benchmarks.guide --write -->"
_CLIENTS = 2
_HEADER = (
    "| films | number | answered | of the answered: specificity | sensitivity | most frequent reason |\n"
    "|---|---:|---:|---:|---:|---|"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one film."""

    asked: Asked
    decision: str
    reasons: tuple[str, ...]


def main() -> None:
    """Measure, print, and write the page where that is asked for."""
    parser = bundle_parser(__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=100, help="films of each kind")
    parser.add_argument("--write", action="store_true", help="write the page")
    arguments = parser.parse_args()
    films = asked(validation_rows(arguments.table), arguments.data, arguments.films)
    with running(models_dir=arguments.models, model=arguments.model) as server:
        rows = "\n".join((_HEADER, *table(measure(server, films))))
    print(rows)
    if arguments.write:
        text = PAGE.read_text(encoding="utf-8").split(MARK)[0] if PAGE.exists() else ""
        write_whole(PAGE, f"{text}{MARK}\n\n`{arguments.model}`\n\n{rows}\n".encode())


def measure(server: Server, films: Iterable[Asked]) -> list[Answered]:
    """Post films to a server that is ready."""

    def ask(one: Asked) -> Answered:
        status, body = server.ask("POST", "/predict", _png(one.film))
        if status != http.client.OK:
            sys.exit(f"{one.kind}: a film is answered with {status}: {body.decode()}")
        prediction: dict[str, Any] = json.loads(body)["prediction"]
        return Answered(one, prediction["decision"], tuple(prediction["abstention_reasons"]))

    with ThreadPoolExecutor(_CLIENTS) as pool:
        return list(pool.map(ask, films))


def table(answers: Iterable[Answered]) -> Iterator[str]:
    """A row for each kind, in the order in which the kinds were asked."""
    kinds: dict[str, list[Answered]] = {}
    for each in answers:
        kinds.setdefault(each.asked.kind, []).append(each)
    for kind, of_kind in kinds.items():
        given = [each for each in of_kind if each.decision != "abstain"]
        reasons = [each.reasons[0] for each in of_kind if each.reasons]
        most = max(set(reasons), key=reasons.count) if reasons else ""
        share = wilson_interval(len(given), len(of_kind))
        cells = (kind, len(of_kind), share, _rate(given, sick=False), _rate(given, sick=True), most)
        yield f"| {' | '.join(map(str, cells))} |"


def _rate(given: Iterable[Answered], *, sick: bool) -> str:
    """Share of the answered films with, or without, the finding that are answered rightly."""
    of_class = [each.decision for each in given if each.asked.sick is sick]
    right = of_class.count("positive" if sick else "negative")
    return str(wilson_interval(right, len(of_class))) if of_class else ""


def _png(film: Film) -> bytes:
    pixels = (np.clip(film, 0, 1) * 255).round().astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


if __name__ == "__main__":
    main()
