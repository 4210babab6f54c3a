"""The model card's figures on the test set, found again through the real HTTP service, digit by digit.

    python -m benchmarks.release_check --data ../shared/data/kermany224

Posts every test film of the data, as its file lies there, to `python -m service` with the bundle in `models/`, evaluates the
answers as the trainer does, prints the card's tables as they come out, and fails if a digit differs. The figures under shifts
are left out: shifted films are no files.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import track

from benchmarks.resilience.server import Server, running
from export.card_figures import SHIFTS_TITLE, evaluation_section
from schemas.bundle import CURRENT, MODEL_CARD, Bundle, open_bundle
from schemas.evaluation import Evaluation
from trainer.evaluate import evaluate
from trainer.films import Film, data_sha256
from trainer.sources import index_films
from trainer.subgroups import attributes_of

MODELS = Path("models")
_CLIENTS = 4
_TINY = 1e-300  # the logarithm of a probability that was rounded to 0


def ask(server: Server, film: Film, classes: Sequence[str]) -> list[float]:
    """The probabilities of one film, in the order of the classes."""
    status, body = server.ask("POST", "/predict", film.path.read_bytes())
    if status != HTTPStatus.OK:
        sys.exit(f"{film.path.name} is answered with {status}: {body.decode()}")
    probabilities = json.loads(body)["prediction"]["probabilities"]
    return [probabilities[name] for name in classes]


def evaluated(bundle: Bundle, films: Sequence[Film], probabilities: Sequence[Sequence[float]]) -> Evaluation:
    """The answers judged as the trainer judges a network."""
    manifest = bundle.manifest
    # softmax(T log p / T) is p again.
    logits = manifest.calibration.temperature * np.log(np.maximum(probabilities, _TINY))
    return evaluate(
        logits,
        np.array([manifest.classes.index(film.label) for film in films]),
        [film.patient for film in films],
        manifest.calibration,
        manifest.classes,
        manifest.negative_class,
        data="test",
        data_sha256=data_sha256(films),
        attributes=attributes_of(films),
    )


def stated(bundle: Bundle, section: str) -> str:
    """The card's own section of the same heading, without the figures under shifts."""
    card = (bundle.directory / MODEL_CARD).read_text()
    heading = section.splitlines()[0]
    if heading not in card:
        sys.exit(f"the card has no section {heading!r}: the films are not those of the card")
    own = heading + card.split(heading)[1]
    return own.split("\n## ")[0].split(f"\n{SHIFTS_TITLE}")[0].strip()


def main() -> None:
    """Evaluate, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of films whose test split the card is about")
    data = parser.parse_args().data
    bundle = open_bundle(MODELS / (MODELS / CURRENT).read_text().strip())
    films = [film for film in index_films(data).films if film.split == "test"]
    with running(models_dir=MODELS) as server, ThreadPoolExecutor(_CLIENTS) as pool:
        answers = pool.map(lambda film: ask(server, film, bundle.manifest.classes), films)
        probabilities = list(track(answers, total=len(films), description="films"))
    found = evaluation_section(evaluated(bundle, films, probabilities), bundle.manifest.classes)
    expected = stated(bundle, found)
    Console().print(Markdown(found))
    differences = list(difflib.unified_diff(expected.splitlines(), found.splitlines(), "card", "service", lineterm=""))
    if differences:
        sys.exit("\n".join(["the service does not find what the card states:", *differences]))
    digits = sum(character.isdigit() for character in found)
    print(f"{bundle.manifest.name}/{bundle.manifest.version}: all {digits} digits are those of the card")


if __name__ == "__main__":
    main()
