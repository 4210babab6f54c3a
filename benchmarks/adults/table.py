"""The table of films of adults that trains `chest-xray-adult`: NIH ChestX-ray14, split by patient.

    python -m benchmarks.adults.table --data ../shared/data --out runs/adults/films

Findings are the text-mined labels of the set (Wang et al., CVPR 2017, arXiv:1705.02315), and Lung Opacity as the
radiologists of the RSNA challenge saw it (Shih et al., Radiology: AI 1 (2019) e180041). What is not known stays empty:

- Lung Opacity of a film outside of the challenge, unless the text lists no finding at all.
- A finding of the lungs or the pleura that the text lists and the radiologists' class `Normal` contradicts.
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.adults.split import split_of
from benchmarks.guide.table import ADULT_FROM

OPACITY = "Lung Opacity"
TEXT_MINED = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Pneumothorax")
FINDINGS = (*TEXT_MINED, OPACITY)
_OF_LUNGS = tuple(name for name in TEXT_MINED if name != "Cardiomegaly")
COLUMNS = ("path", "patient", "split", "age", "sex", "view", *FINDINGS)

Row = dict[str, str]


def nih_rows(data: Path) -> Iterator[Row]:
    """The rows of the set's own table."""
    with (data / "nih_adult" / "labels.csv").open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def main() -> None:
    """Write the table and the boxes beside a link to the films."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of all sets")
    parser.add_argument("--out", type=Path, required=True, help="folder to write labels.csv and boxes.csv to")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    link = out / "images"
    if not link.exists():
        link.symlink_to((arguments.data / "nih_adult" / "images").resolve())
    rows = [adult_row(row) for row in nih_rows(arguments.data) if float(row["age"] or "nan") >= ADULT_FROM]
    with (out / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with (out / "boxes.csv").open("w", encoding="utf-8", newline="") as stream:
        boxes = csv.writer(stream)
        boxes.writerow(("path", "boxes"))
        boxes.writerows((row["image"], json.dumps(boxes_of(row))) for row in nih_rows(arguments.data))
    print(f"{len(rows)} films in {out / 'labels.csv'}")


def boxes_of(row: Row) -> list[list[str | float]]:
    """The boxes of a film by our findings: those of the set by their own, those of the challenge of Lung Opacity."""
    ours = [box for box in json.loads(row["nih_boxes"] or "[]") if box[0] in TEXT_MINED]
    return ours + [[OPACITY, *box] for box in json.loads(row["rsna_boxes"] or "[]")]


def adult_row(row: Row) -> Row:
    """A row of our table from one of the set's."""
    listed = row["labels"].split("|")
    findings = {name: str(int(name in listed)) for name in TEXT_MINED}
    if row["rsna_class"] == "Normal":
        findings |= {name: "" for name in _OF_LUNGS if name in listed}
    plain = {name: row[name] for name in ("patient", "age", "sex", "view")}
    return {
        "path": row["image"],
        "split": split_of(row["patient"]),
        **plain,
        **findings,
        OPACITY: _opacity(row["rsna_class"], listed),
    }


def _opacity(rsna_class: str, listed: list[str]) -> str:
    if rsna_class:
        return str(int(rsna_class == OPACITY))
    return "0" if listed == ["No Finding"] else ""


if __name__ == "__main__":
    main()
