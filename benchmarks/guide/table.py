"""The table of films that trained the guide of the shipped bundles.

    python -m benchmarks.guide.table --data ../shared/data --out runs/guide/table.csv

Children are Kermany's films, in the split that every run on them has (seed 0, copies dropped), so that the films which
validate a network behind the guide have not trained the guide either; its official test films are not read. Adults are
films of NIH ChestX-ray14 and the COVID-19 and tuberculosis films of the four-class set. Patients of NIH from 8 to 17
years are neither. The normal films of the four-class set are left out: many are films of NIH, which could then stand
in both splits.
"""

import argparse
import csv
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from trainer.films.dataset import prepare_dataset
from trainer.films.options import DataOptions
from trainer.folder import RunFolder

COLUMNS = ("path", "split", "patient", "mask", "oriented", "population", "view")
CHILD_BELOW, ADULT_FROM = 8, 18  # years
VAL_SHARE = 5  # one patient of so many validates

Row = dict[str, str]


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of all sets")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.parent.mkdir(parents=True, exist_ok=True)
    sources = (_kermany, _nih, _four_classes, _others)
    rows = [row for source in sources for row in source(arguments.data)]
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        for row in rows:
            places = {name: os.path.relpath(row[name], out.parent) for name in ("path", "mask") if row.get(name)}
            writer.writerow({**row, **places})
    print(f"{len(rows)} films in {out}")


def _kermany(data: Path) -> Iterator[Row]:
    masks = {path.stem: path for path in (data / "kermany_lung_masks").glob("*.png")}
    options = DataOptions(path=str(data / "kermany224"), on_duplicates="drop", altered_copies="never")
    with TemporaryDirectory() as folder:
        dataset = prepare_dataset(options, RunFolder(Path(folder)))
    originals = {path.stem: path for path in (data / "kermany_originals_640").rglob("*.*")}
    for part in ("train", "val"):
        for film in dataset.films(part):
            row = {"split": part, "patient": film.patient, "oriented": "yes", "population": "child", "view": "frontal"}
            stem = film.path.stem
            yield {**row, "path": str(film.path), "mask": str(masks[stem]) if stem in masks else ""}
            if stem in originals:
                yield {**row, "path": str(originals[stem]), "mask": str(masks[stem]) if stem in masks else ""}


def _nih(data: Path) -> Iterator[Row]:
    with (data / "nih_adult" / "labels.csv").open(encoding="utf-8", newline="") as stream:
        for entry in csv.DictReader(stream):
            age = float(entry["age"] or "nan")
            population = "child" if age < CHILD_BELOW else "adult" if age >= ADULT_FROM else ""
            yield {
                "path": str(data / "nih_adult" / entry["image"]),
                "split": "val" if _one_of(VAL_SHARE, entry["patient"]) else "train",
                "patient": f"nih {entry['patient']}",
                "oriented": "yes",
                "population": population,
                "view": "frontal",
            }


def _four_classes(data: Path) -> Iterator[Row]:
    for split in ("train", "val"):
        for name in ("COVID", "TB"):
            for path in sorted((data / "cxr4_256" / split / name).iterdir()):
                yield {
                    "path": str(path),
                    "split": split,
                    "oriented": "yes",
                    "population": "adult",
                    "view": "frontal",
                }


def _others(data: Path) -> Iterator[Row]:
    """Lateral films and pictures of other things: two of three train."""
    for folder, view in (("lateral_cxr", "lateral"), ("photos_fruit", "other"), ("ct_slices", "other")):
        for number, path in enumerate(sorted((data / "ood" / folder).iterdir())):
            yield {"path": str(path), "split": "train" if number % 3 else "val", "view": view}


def _one_of(count: int, text: str) -> bool:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % count == 0


if __name__ == "__main__":
    main()
