"""How many films the service answers, and how often it is right where it does: the decision, not the label.

    python -m benchmarks.answers --data ../shared/data/kermany224 --split runs/ID/split.csv --write

Posts the validation films of the split, these again mirrored and upside down, and the official test films to `python
-m service`
with the bundle in `models/`, and counts decisions. The bundle's hash of its split must be that of the given one.
"""

import argparse
import http.client
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2

from benchmarks.leaderboard.tables import table
from benchmarks.resilience.server import Server, running
from biostatistics.intervals import wilson_interval
from bundle.files import sha256_of, write_whole
from bundle.opening import open_bundle
from imaging.decode import decode
from schemas.model.manifest import CURRENT, BundleManifest
from schemas.model.provenance import Provenance
from trainer.films.film import Film
from trainer.films.splits import read_split

PAGE = Path("docs/results/answers.md")
MODELS = Path("models")
POSITIVE = "positive"
NEGATIVE = "negative"
UNDECIDED = "undecided"
UNFAMILIAR = "unfamiliar"
OUTSIDE = "outside"
KINDS = (POSITIVE, NEGATIVE, UNDECIDED, UNFAMILIAR, OUTSIDE)
_CLIENTS = 4
_OVER_ROWS, _OVER_COLUMNS = 0, 1  # what cv2.flip calls them
TEXT = """# What is answered, and how often correctly

The figures of the [leaderboard](leaderboard.md) and of the model card judge the *label* of every film. The service
answers fewer films: its *decision* is `positive` or `negative` if the conformal set contains only the label and the
film is like those of training, else `abstain` ([decision](../decisions.md)). This page counts the decisions of the
real service. Nothing was chosen by them.
"""
READING = """\
Undecided: the classes cannot be told apart with the certainty that validation demands. Unfamiliar: too far from the
training films. Outside: of another population, pose or view than the bundle's guide accepts. Sensitivity and
specificity are those of the answered films only, so they do not apply to the others: if the service sorts films, a
person must look at every film on which it abstains. Intervals (95 %, Wilson) treat films as independent."""
FLIPS = """\
The next table is for the same validation films, flipped. The service should answer none of them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The decisions about the films of one set that are of one class."""

    films: str
    truth: str
    decisions: Counter[str]

    @property
    def answered(self) -> int:
        """Films with a decision."""
        return self.decisions[POSITIVE] + self.decisions[NEGATIVE]

    def row(self) -> tuple[str, ...]:
        """Of the table of counts."""
        counts = (str(self.decisions[kind]) for kind in KINDS)
        return (self.films, self.truth, *counts, str(wilson_interval(self.answered, self.decisions.total())))


def rates(ill: Counts, well: Counts) -> tuple[str, ...]:
    """Of the table of rates: share answered, and sensitivity and specificity of what is."""
    films = ill.decisions.total() + well.decisions.total()
    return (
        ill.films,
        str(wilson_interval(ill.answered + well.answered, films)),
        str(wilson_interval(ill.decisions[POSITIVE], ill.answered)),
        str(wilson_interval(well.decisions[NEGATIVE], well.answered)),
    )


def as_it_lies(film: Film) -> bytes:
    """The film's file."""
    return film.path.read_bytes()


def flipped(axis: int) -> Callable[[Film], bytes]:
    """The film as a PNG file, flipped over an axis of cv2.flip."""

    def file_of(film: Film) -> bytes:
        return cv2.imencode(".png", cv2.flip(decode(as_it_lies(film)).pixels, axis))[1].tobytes()

    return file_of


FLIPPED: Mapping[str, Callable[[Film], bytes]] = MappingProxyType(
    {"validation, mirrored": flipped(_OVER_COLUMNS), "validation, upside down": flipped(_OVER_ROWS)}
)


def decision(server: Server, file: bytes) -> str:
    """What the server says of a film: one of the five kinds."""
    status, body = server.ask("POST", "/predict", file)
    if status != http.client.OK:
        sys.exit(f"a film is answered with {status}: {body.decode()}")
    said = json.loads(body)["prediction"]
    if said["decision"] != "abstain":
        return str(said["decision"])
    if "outside_population" in said["abstention_reasons"]:
        return OUTSIDE
    return UNFAMILIAR if said["in_distribution"] is False else UNDECIDED


def counts(
    server: Server,
    manifest: BundleManifest,
    name: str,
    films: Sequence[Film],
    file_of: Callable[[Film], bytes] = as_it_lies,
) -> tuple[Counts, Counts]:
    """The decisions about the films with the finding, and about those without."""
    (finding,) = manifest.findings
    with ThreadPoolExecutor(_CLIENTS) as pool:
        said = list(pool.map(lambda film: decision(server, file_of(film)), films))
    of = {truth: Counter[str]() for truth in (True, False)}
    for film, kind in zip(films, said, strict=True):
        of[film.label == finding][kind] += 1
    return Counts(name, finding, of[True]), Counts(name, str(manifest.negative_class), of[False])


def page(bundle: str, found: Sequence[tuple[Counts, Counts]], flipped_ones: Sequence[tuple[Counts, Counts]]) -> str:
    """The page of results."""
    head = ("films", "truth", *KINDS, "answered")
    parts = (
        TEXT.strip(),
        f"The decisions were counted by `python -m benchmarks.answers --data … --split … --write`, bundle `{bundle}`.",
        table(head, [row.row() for pair in found for row in pair]),
        table(
            ("films", "answered", "sensitivity of the answered", "specificity of the answered"),
            [rates(*pair) for pair in found],
        ),
        READING,
        FLIPS,
        table(head, [row.row() for pair in flipped_ones for row in pair]),
    )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Post, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the films")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of the run that the bundle is of")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}")
    options = parser.parse_args()
    current = (MODELS / CURRENT).read_text().strip()
    manifest = open_bundle(MODELS / current).manifest
    if len(manifest.findings) != 1 or manifest.negative_class is None:
        sys.exit(f"{current} tells {', '.join(manifest.classes)} apart; decisions are counted for one finding")
    made = manifest.provenance
    if not isinstance(made, Provenance) or sha256_of(options.split) != made.split_sha256:
        sys.exit(f"{options.split} is not the split of {current}: its validation films may have been trained on")
    split = read_split(options.split, options.data)
    sets = {"validation": split.of("val"), "test": split.of("test")}
    with running(models_dir=MODELS) as server:
        found = [counts(server, manifest, name, films) for name, films in sets.items()]
        flips = [counts(server, manifest, name, sets["validation"], file_of) for name, file_of in FLIPPED.items()]
    text = page(current, found, flips)
    print(text)
    if options.write:
        write_whole(PAGE, text.encode())


if __name__ == "__main__":
    main()
