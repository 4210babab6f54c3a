"""The model card's figures, found again through the real HTTP service, digit by digit.

    python -m benchmarks.release_check --data ../shared/data/kermany224 [--split runs/ID/split.csv]

Posts every test film of the data, as its file lies there, to `python -m service` with the bundle in `models/`,
evaluates the
answers as the trainer does, prints the card's tables as they come out, and fails if a digit differs. Films under
shifts are
posted as PNG files of 16 bits. With the split of the run, which the bundle has the hash of but not the lines, the
validation
films too. What the card says and this cannot find again is named at the end.
"""

import argparse
import difflib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import track

from benchmarks.resilience.server import Server, running
from bundle.opening import Bundle, open_bundle
from export.card.card import SHIFTS_TITLE, evaluation_section
from schemas.model.evaluation import Evaluation
from schemas.model.manifest import CURRENT, MODEL_CARD, BundleManifest
from schemas.preprocess import PreprocessSpec
from trainer.films.cache import prepared_films
from trainer.films.film import Film
from trainer.films.options import DataOptions
from trainer.films.sources.find import index_films
from trainer.films.splits import read_split
from trainer.films.task import Task
from trainer.judging.evaluate import evaluate
from trainer.judging.logits import LabelledLogits
from trainer.judging.shifts import NONE, PLANTED_SHIFTS, SHIFTS, shifted

MODELS = Path("models")
_CLIENTS = 4
_TINY = 1e-300  # the logarithm of a probability that was rounded to 0
_LEVELS = 2**16 - 1


class Asker:
    """A running service with its bundle."""

    def __init__(self, server: Server, manifest: BundleManifest, pool: ThreadPoolExecutor) -> None:
        self._server = server
        self._manifest = manifest
        self._pool = pool

    def logits(self, files: Iterable[bytes], count: int, title: str) -> NDArray[np.float64]:
        """Of each file, [V, K], up to a constant: softmax(T log p / T) is p again."""
        answers = list(track(self._pool.map(self._ask, files), total=count, description=title))
        logits: NDArray[np.float64] = self._manifest.calibration.temperature * np.log(np.maximum(answers, _TINY))
        return logits

    def _ask(self, file: bytes) -> list[float]:
        status, body = self._server.ask("POST", "/predict", file)
        if status != HTTPStatus.OK:
            sys.exit(f"a film is answered with {status}: {body.decode()}")
        probabilities = json.loads(body)["prediction"]["probabilities"]
        return [probabilities[name] for name in self._manifest.classes]


def repeatable(spec: PreprocessSpec) -> bool:
    """Whether a prepared film that is sent as a file is prepared to itself: not where the film's own levels decide."""
    return spec.intensity == "full_range" and spec.clahe is None


def file_of(film: NDArray[np.float32]) -> bytes:
    """A prepared film [1, S, S] in [0, 1] as a PNG of 16 bits: a step moves no probability in its third digit."""
    return cv2.imencode(".png", (film[0] * _LEVELS).round().astype(np.uint16))[1].tobytes()


def found_again(asker: Asker, manifest: BundleManifest, stated: Evaluation, films: Sequence[Film]) -> Evaluation:
    """The answers judged as the trainer judges a network, also under those shifts of the card that can be sent."""
    truth = np.array([manifest.classes.index(film.label) for film in films])
    logits = asker.logits((film.path.read_bytes() for film in films), len(films), f"{stated.data}, films")
    task = Task(manifest.classes, manifest.negative_class)
    answers = LabelledLogits.of(stated.data, films, truth, logits)
    if not (stated.shifts and repeatable(manifest.preprocess)):
        return evaluate(answers, task, manifest.calibration)
    with tempfile.TemporaryDirectory() as cache:
        prepared = prepared_films(films, manifest.preprocess, Path(cache))
        under = {NONE: logits.astype(np.float32)}
        stated_shifts = {row.value for row in stated.shifts}
        panel = {name: shift for name, shift in {**SHIFTS, **PLANTED_SHIFTS}.items() if name in stated_shifts}
        for name, shift in panel.items():
            files = (file_of(film) for film in shifted(prepared, shift))
            under[name] = asker.logits(files, len(films), f"{stated.data}, {name}").astype(np.float32)
    found = evaluate(replace(answers, shifted=under), task, manifest.calibration)
    # A card that was made before this figure existed does not state it.
    return found if stated.corruption else found.model_copy(update={"corruption": None})


def card_section(bundle: Bundle, section: str) -> str:
    """The card's own section of the same heading; without the figures under shifts where the section has none."""
    card = (bundle.directory / MODEL_CARD).read_text()
    heading = section.splitlines()[0]
    if heading not in card:
        sys.exit(f"the card has no section {heading!r}: the films are not those of the card")
    own = (heading + card.split(heading)[1]).split("\n## ")[0].split("\n### ")[0]
    return (own if SHIFTS_TITLE in section else own.split(f"\n{SHIFTS_TITLE}")[0]).strip()


def left_out(manifest: BundleManifest, sets: Iterable[str]) -> Iterator[str]:
    """What the card says and the bundle's answers about films cannot show again, each with the reason."""
    for evaluation in manifest.evaluation:
        if evaluation.data not in sets:
            yield f"On {evaluation.data}: the bundle does not hold which films these are; give --split"
        elif evaluation.shifts and not repeatable(manifest.preprocess):
            yield (
                f"On {evaluation.data}, under shifts: a prepared film cannot be sent, the service would stretch it anew"
            )
    if manifest.mistakes is not None:
        yield (
            "Mistakes: looked for at the export, on validation; they rest on heat maps and distances beside the answers"
        )
    yield "Decisions: made on the validation films and their shifts; what they bring is in the figures above"
    if manifest.precisions:
        yield "Precisions: measured on the machine that exported"
    yield "Provenance: time and energy were measured while the network was trained"


def main() -> None:
    """Evaluate, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of films whose test split the card is about")
    parser.add_argument("--split", type=Path, help="split.csv of the run, for the figures on validation")
    options = parser.parse_args()
    bundle = open_bundle(MODELS / (MODELS / CURRENT).read_text().strip())
    manifest = bundle.manifest
    index = index_films(DataOptions(path=str(options.data)))
    sets = {"test": tuple(film for film in index.films if film.split == "test")}
    if options.split is not None:
        sets["validation"] = read_split(options.split, index.root).of("val")
    digits = 0
    with running(models_dir=MODELS) as server, ThreadPoolExecutor(_CLIENTS) as pool:
        asker = Asker(server, manifest, pool)
        for stated in (evaluation for evaluation in manifest.evaluation if evaluation.data in sets):
            found = evaluation_section(found_again(asker, manifest, stated, sets[stated.data]), manifest.classes)
            Console().print(Markdown(found))
            digits += _compared(card_section(bundle, found), found)
    print(f"{manifest.name}/{manifest.version}: all {digits} digits are those of the card. Not looked for here:")
    print("\n".join(f"- {line}" for line in left_out(manifest, sets)))


def _compared(expected: str, found: str) -> int:
    """How many digits agree; ends the program where one does not."""
    differences = list(difflib.unified_diff(expected.splitlines(), found.splitlines(), "card", "service", lineterm=""))
    if differences:
        sys.exit("\n".join(["the service does not find what the card states:", *differences]))
    return sum(character.isdigit() for character in found)


if __name__ == "__main__":
    main()
