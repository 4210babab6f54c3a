r"""What the served network looks at: answers to films with parts erased, and heat against lungs and boxes, by HTTP.

    python -m benchmarks.looking --data ../shared/data/kermany224 --split runs/ID/split.csv \\
        --masks ../shared/data/kermany_lung_masks [--adults ../shared/data/nih_adult] [--models models] --write

Posts the validation films that have a mask, as they are and with parts erased, to `python -m service` with the bundle
that is current in the models directory, and asks it for heat maps. The bundle's hash of its split must be that of the
given one. `--write` puts the figures beside those of other bundles in docs/results/looking.json, twelve heat maps into
a picture, and both into docs/results/looking.md.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pydantic import TypeAdapter

from benchmarks.looking.asking import Asker, picture
from benchmarks.looking.page import BundleLooking, page
from benchmarks.release_check.asking import repeatable
from benchmarks.release_check.films import require_own_split
from benchmarks.resilience.server import running
from bundle.files import write_whole
from bundle.opening import open_bundle
from imaging.decode import decode
from imaging.preprocess import prepare
from schemas.model.looking import Looking
from schemas.model.manifest import CURRENT, BundleManifest
from trainer.films.film import Film
from trainer.films.regions.boxes import read_boxes
from trainer.films.splits import read_split
from trainer.judging.options import JudgeOptions
from trainer.looking.answers import Films
from trainer.looking.look import Truth, look
from trainer.looking.marks import Marks, read_marks

RESULTS = Path("docs/results")
PAGE = RESULTS / "looking.md"
FIGURES = RESULTS / "looking.json"
SHOWN = 12
COLUMNS = 4


@dataclass(frozen=True, slots=True)
class LookedAtFilms:
    """Films, prepared, with what is marked of them."""

    films: Sequence[Film]
    prepared: Films
    marks: Marks


def prepared(name: str, films: Sequence[Film], manifest: BundleManifest, options: JudgeOptions) -> LookedAtFilms:
    """Read and prepare films, and read what is marked of them."""
    marks = read_marks(name, films, manifest.findings, manifest.preprocess, options)
    if marks is None:
        sys.exit(f"none of the films of {name} has a mask or a box; give their folder or table")
    pixels = [prepare(decode(film.path.read_bytes()), manifest.preprocess) for film in films]
    return LookedAtFilms(films, np.stack(pixels), marks)


def measure(asker: Asker, manifest: BundleManifest, looked_at: LookedAtFilms) -> Looking:
    """Everything of `trainer.looking.look`."""
    every = np.ones(len(looked_at.films), np.bool_)
    labels = np.array([film.label for film in looked_at.films])
    truth = {name: Truth(labels == name, every) for name in manifest.findings}
    return look(asker.reader, looked_at.prepared, truth, looked_at.marks)


def adult_films(folder: Path) -> list[Film]:
    """The films of a folder with `labels.csv` and `images/` that have a box; nothing is known here of their truth."""
    names = sorted(read_boxes(folder / "labels.csv"))
    return [Film(folder / "images" / name, "", name, "val", "0" * 64) for name in names]


def drawn_by_lot(asker: Asker, looked_at: LookedAtFilms) -> tuple[bytes, list[str]]:
    """Twelve masked films with the heat of their predicted label and the lungs' outline, and what is said of each."""
    marks = looked_at.marks
    chosen = np.sort(np.random.default_rng(0).choice(len(marks.masked), SHOWN, replace=False))
    films = marks.masked[chosen]
    answers = asker.explanations(looked_at.prepared[films], None)
    tiles, lines = [], []
    for answer, lungs, film in zip(answers, marks.lungs[chosen], films.tolist(), strict=True):
        tile = picture(answer["explanation"]["overlay_png_base64"], gray=False).astype(np.uint8)
        outline = cv2.resize(lungs.astype(np.uint8), tile.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(outline, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        tiles.append(cv2.drawContours(np.ascontiguousarray(tile), contours, -1, (255, 255, 255), 1))
        said = answer["prediction"]
        probability = said["probabilities"][said["label"]]
        lines.append(
            f"{looked_at.films[film].label}, called {said['label']} with {probability:.3f} ({said['decision']})"
        )
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, SHOWN, COLUMNS)]
    return cv2.imencode(".png", np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes(), lines


def others(bundle: str) -> list[BundleLooking]:
    """What was measured of other bundles before."""
    if not FIGURES.exists():
        return []
    known = TypeAdapter(list[BundleLooking]).validate_json(FIGURES.read_bytes())
    return [one for one in known if one.bundle != bundle]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the films")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of the run that the bundle is of")
    parser.add_argument("--masks", type=Path, required=True, help="folder of lung masks, by the films' names")
    parser.add_argument("--adults", type=Path, help="folder with labels.csv and images/ of films with boxes")
    parser.add_argument("--models", type=Path, default=Path("models"), help="models directory (default: %(default)s)")
    parser.add_argument("--remark", default="", help="what you see on the twelve maps, for the page")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}, {FIGURES} and the picture")
    options = parser.parse_args()
    current = (options.models / CURRENT).read_text().strip()
    manifest = open_bundle(options.models / current).manifest
    require_own_split(manifest, options.split)
    if not repeatable(manifest.preprocess):
        sys.exit(f"{manifest.name} stretches gray levels by the film: a film with an erased part cannot be sent to it")
    masked = JudgeOptions(lung_masks=str(options.masks))
    films = prepared("validation", read_split(options.split, options.data).of("val"), manifest, masked)
    with running(models_dir=options.models) as server:
        asker = Asker(server, manifest)
        adults = None
        if options.adults is not None:
            boxed = JudgeOptions(boxes=str(options.adults / "labels.csv"))
            adults = measure(asker, manifest, prepared("adults", adult_films(options.adults), manifest, boxed))
        found = BundleLooking(
            bundle=current, children=measure(asker, manifest, films), adults=adults, remark=options.remark
        )
        png, captions = drawn_by_lot(asker, films)
    bundles = [*others(current), found]
    picture_file = f"looking-{manifest.name}-{manifest.version}.png"
    text = page(bundles, captions, picture_file)
    print(text)
    if options.write:
        write_whole(RESULTS / picture_file, png)
        write_whole(FIGURES, TypeAdapter(list[BundleLooking]).dump_json(bundles, indent=2))
        write_whole(PAGE, text.encode())


if __name__ == "__main__":
    main()
