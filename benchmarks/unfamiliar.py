"""How well the real server tells pictures that are no frontal chest film, and how many frontal chest films it refuses.

Starts `python -m service`, posts every file of DATA/ood, generated pictures and the official test films, and prints
one Markdown table. Refused by type: the file is no radiograph that is answered (a problem of 4xx), or says of itself
that it
is no frontal film. Refused by the guide: `outside_population`. Refused by score alone: `in_distribution` is false.

Of the folders in `TAUGHT` two files of three have taught the guide of the shipped bundle; the third is posted.
"""

import argparse
import http.client
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.resilience.server import Server, running
from biostatistics.intervals import wilson_interval
from bundle.files import write_whole

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "out-of-distribution.md"
SIDE = 512
CLIENTS = 4

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Limit:
    """What the share of refused files of a kind must keep."""

    share: float
    at_least: bool = True
    by_guide: bool = True
    """Whether what the guide refuses counts."""

    def __str__(self) -> str:
        """As the table has it."""
        return f"{'≥' if self.at_least else '≤'} {self.share:.0%}"


LIMITS: dict[str, Limit] = {
    "CT slices": Limit(0.95),
    "photographs": Limit(0.95),
    "DICOM of other modalities and anatomy": Limit(0.95),
    "CT, photographs and DICOM together": Limit(0.95),
    "lateral chest films": Limit(0.80),
    "black": Limit(1),
    "gray": Limit(1),
    "white": Limit(1),
    "noise": Limit(1),
    "text": Limit(1),
    "official test films, NORMAL": Limit(0.05, at_least=False, by_guide=False),
    "official test films, PNEUMONIA": Limit(0.05, at_least=False, by_guide=False),
    "official test films together": Limit(0.12, at_least=False),
}
FOLDERS = {
    "CT slices": "ood/ct_slices",
    "photographs": "ood/photos_fruit",
    "DICOM of other modalities and anatomy": "ood/dicom",
    "lateral chest films": "ood/lateral_cxr",
    "official test films, NORMAL": "kermany224/test/NORMAL",
    "official test films, PNEUMONIA": "kermany224/test/PNEUMONIA",
}
VERDICTS = ("type", "guide", "score")
TAUGHT = ("ood/ct_slices", "ood/photos_fruit", "ood/lateral_cxr")
_TOGETHER = {"CT, photographs and DICOM together": list(LIMITS)[:3], "official test films together": list(FOLDERS)[-2:]}


@dataclass(frozen=True, slots=True)
class Row:
    """How the files of one kind fared."""

    kind: str
    files: int
    by_type: int
    by_guide: int
    by_score: int

    @property
    def count(self) -> int:
        """The refused files that the limit is about."""
        return self.by_type + self.by_score + (self.by_guide if LIMITS[self.kind].by_guide else 0)

    @property
    def refused(self) -> float:
        """Their share."""
        return self.count / self.files

    @property
    def kept(self) -> bool:
        """Whether the limit of the kind is kept."""
        limit = LIMITS[self.kind]
        return self.refused >= limit.share if limit.at_least else self.refused <= limit.share

    def __str__(self) -> str:
        """As a row of the table."""
        share = wilson_interval(self.count, self.files)
        verdict = "kept" if self.kept else "**missed**"
        refused = (self.by_type, self.by_guide, self.by_score)
        cells = (self.kind, self.files, *refused, share, LIMITS[self.kind], verdict)
        return f"| {' | '.join(map(str, cells))} |"


def generated() -> Iterator[tuple[str, Picture]]:
    """Pictures that show nothing, or no chest, each with its kind; the same at every call."""
    random = np.random.default_rng(0)
    yield "black", np.zeros((SIDE, SIDE), np.uint8)
    yield "white", np.full((SIDE, SIDE), 255, np.uint8)
    for level in (1, 32, 64, 96, 128, 160, 192, 224, 254):
        yield "gray", np.full((SIDE, SIDE), level, np.uint8)
    for deviation in (1, 4, 16, 64):
        for mean in (40, 128, 215):
            noise = random.normal(mean, deviation, (SIDE, SIDE))
            yield "noise", np.clip(noise, 0, 255).astype(np.uint8)
            coarse = cv2.resize(noise[:32, :32], (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
            yield "noise", np.clip(coarse, 0, 255).astype(np.uint8)
    for ink, paper in ((0, 255), (255, 0), (60, 200)):
        for height in (14, 24, 48):
            page = np.full((SIDE, SIDE), paper, np.uint8)
            for baseline in range(height, SIDE, height):
                line = "".join(random.choice(list("etaoin shrdlu,0123"), 60))
                cv2.putText(page, line, (8, baseline), cv2.FONT_HERSHEY_SIMPLEX, height / 40, ink, 1)
            yield "text", page


def collect(data: Path) -> Iterator[tuple[str, bytes]]:
    """All files with their kinds: those of the folder, then the generated ones."""
    for kind, folder in FOLDERS.items():
        paths = [path for path in sorted((data / folder).rglob("*")) if path.is_file()]
        if not paths:
            sys.exit(f"{data / folder} holds no files; give the folder of real films by CXR_DATA_DIR or --data")
        shown = paths[::3] if folder in TAUGHT else paths  # as `benchmarks.guide.table` divides them
        yield from ((kind, path.read_bytes()) for path in shown)
    for kind, picture in generated():
        yield kind, cv2.imencode(".png", picture)[1].tobytes()


def measure(server: Server, data: Path) -> tuple[Row, ...]:
    """Post all files to a server that is ready."""
    files = list(collect(data))
    with ThreadPoolExecutor(CLIENTS) as pool:
        found = list(pool.map(lambda file: ask(server, file[1]), files))
    verdicts = {kind: [verdict for (of, _), verdict in zip(files, found, strict=True) if of == kind] for kind in LIMITS}
    for together, kinds in _TOGETHER.items():
        verdicts[together] = [verdict for kind in kinds for verdict in verdicts[kind]]
    return tuple(Row(kind, len(said), *map(said.count, VERDICTS)) for kind, said in verdicts.items())


def ask(server: Server, film: bytes) -> str:
    """One of `VERDICTS`, by which a file was refused; `answered` otherwise."""
    status, body = server.ask("POST", "/predict", film)
    answer = json.loads(body)
    if status != http.client.OK:
        if status // 100 == 4:
            return "type"
        sys.exit(f"/predict answered {status}: {answer['code']}")
    if "not_frontal" in answer["image"]["warnings"]:
        return "type"
    if "outside_population" in answer["prediction"]["abstention_reasons"]:
        return "guide"
    return "score" if answer["prediction"]["in_distribution"] is False else "answered"


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    head = "| kind | files | refused by type | by guide | by score | share [95 % interval] | limit | verdict |"
    return "\n".join((head, "| --- | ---: | ---: | ---: | ---: | --- | --- | --- |", *map(str, rows)))


def page(bundle: str, rows: Sequence[Row]) -> str:
    """The page of results."""
    return f"""# Unfamiliar pictures

The table was measured with `python -m benchmarks.unfamiliar --write` through the real service, bundle `{bundle}`.
[Decision and abstention](../decisions.md#unfamiliar-pictures) describes the gate. It was fitted on training films, and
its cut-offs were set by validation films; none of the files below was used for either. Of the CT slices, photographs
and lateral films two of three have taught the guide, and only the third is among these.

{table(rows)}

Refused by type: the file is not a single-frame projection radiograph, or states that it is not a frontal film.
By guide: it saw another population, view, pose or polarity, or no lungs; among the official test films of one class
this does not count in share and limit, but in those of both together. By score: the guide took the picture, and it is
too far from the training films.
"""


def main() -> None:
    """Print the table; exit status 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("CXR_DATA_DIR"), help="folder of real films")
    parser.add_argument("--models", type=Path, default=Path("models"), help="models directory (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} too")
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of real films by CXR_DATA_DIR or --data")
    with running(models_dir=options.models.resolve()) as server:
        rows = measure(server, options.data)
    print(table(rows))
    if options.write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        write_whole(RESULTS, page((options.models / "current").read_text().strip(), rows).encode())
    sys.exit(0 if all(row.kept for row in rows) else 1)


if __name__ == "__main__":
    main()
