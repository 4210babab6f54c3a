"""The table of films that trained the guide of the shipped bundles.

    python -m benchmarks.guide.table --data ../shared/data --out runs/guide/table.csv
    python -m benchmarks.guide.table --data ../shared/data --lungs runs/guide/first --out runs/guide/second.csv

Masks have been drawn for children alone. The second table has masks of adults, too, which a guide that was trained on
the first has found.

Children are Kermany's films, in the split that every run on them has (seed 0, copies dropped), so that the films which
validate a network behind the guide have not trained the guide either; its official test films are not read. Adults are
films of NIH ChestX-ray14 and the COVID-19 and tuberculosis films of the four-class set; those of NIH that test the
network of adults (`benchmarks.adults`) are not read. Patients of NIH from 8 to 17 years are neither. The normal films
of the four-class set are left out: many are films of NIH, which could then stand in both splits.
"""

import argparse
import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.adults.split import split_of
from benchmarks.guide.masks import find_masks
from bundle.files import sha256_of
from trainer.films.dataset import prepare_dataset
from trainer.films.film import Film
from trainer.films.options import DataOptions
from trainer.folder import RunFolder

COLUMNS = ("path", "split", "patient", "mask", "oriented", "population", "view")
CHILD_BELOW, ADULT_FROM = 8, 18  # years

Row = dict[str, str]


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of all sets")
    parser.add_argument("--lungs", type=Path, help="guide that finds the lungs of adults; none: they have no masks")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.parent.mkdir(parents=True, exist_ok=True)
    sources = (_kermany, _nih, _four_classes, _others)
    rows = [row for source in sources for row in source(arguments.data)]
    if arguments.lungs:
        _find_lungs(rows, arguments.lungs, out.parent / f"{out.stem}-masks")
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        for row in rows:
            places = {name: os.path.relpath(row[name], out.parent) for name in ("path", "mask") if row.get(name)}
            writer.writerow({**row, **places})
    print(f"{len(rows)} films in {out}")


def _find_lungs(rows: Iterable[Row], guide: Path, masks: Path) -> None:
    """Add masks to the films of adults that train; those that validate have none: drawn masks judge alone."""
    adults = [row for row in rows if row.get("population") == "adult" and row["split"] == "train"]
    films = [Film(Path(row["path"]), "", row["path"], "train", sha256_of(Path(row["path"]))) for row in adults]
    found = find_masks(films, guide, masks)
    for row in adults:
        row["mask"] = str(found.get(Path(row["path"]), ""))


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
            split = split_of(entry["patient"])
            if split == "test":
                continue
            population = "child" if age < CHILD_BELOW else "adult" if age >= ADULT_FROM else ""
            yield {
                "path": str(data / "nih_adult" / entry["image"]),
                "split": split,
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


if __name__ == "__main__":
    main()
