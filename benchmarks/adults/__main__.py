r"""What the network of adults is worth on held-out patients, from the manifest of its bundle: docs/results/adults.md.

    python -m benchmarks.adults --model models/chest-xray-adult/1.0.0 [--write]

`make release-check` finds the same figures again through HTTP.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from benchmarks.adults.table import FINDINGS, OPACITY
from benchmarks.leaderboard.tables import table
from bundle.files import write_whole
from bundle.opening import open_bundle
from schemas.model.evaluation import Evaluation
from schemas.model.manifest import BundleManifest
from trainer.looking.rows import HEAT_HEAD, heat_rows

PAGE = Path("docs/results/adults.md")
MARK = "<!-- below: python -m benchmarks.adults --write -->"
PUBLISHED = MappingProxyType(
    {
        "Atelectasis": 0.809,
        "Cardiomegaly": 0.925,
        "Consolidation": 0.790,
        "Edema": 0.888,
        "Effusion": 0.864,
        "Pneumothorax": 0.889,
    }
)
"""AUROC of CheXNet on the official test films of the set, trained on about 100,000 (Rajpurkar et al., arXiv:1711.05225,
table 2)."""


def main() -> None:
    """Print, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--write", action="store_true", help="write the page")
    arguments = parser.parse_args()
    manifest = open_bundle(arguments.model).manifest
    text = "\n\n".join(sections(manifest))
    print(text)
    if arguments.write:
        head = PAGE.read_text(encoding="utf-8").split(MARK)[0] if PAGE.exists() else ""
        write_whole(PAGE, f"{head}{MARK}\n\n{text}\n".encode())


def sections(manifest: BundleManifest) -> Iterator[str]:
    """The page below its text."""
    test = next(evaluation for evaluation in manifest.evaluation if evaluation.data == "test")
    yield f"`{manifest.name}/{manifest.version}`, {test.films} films of {test.patients} patients:"
    yield table(
        ["finding", "films with it", "AUROC", "PA", "AP", "sensitivity", "specificity", "CheXNet, published"],
        [row(test, finding) for finding in FINDINGS],
    )
    if manifest.looking is not None:
        yield "## Heat maps against boxes"
        yield f"{manifest.looking.boxes} films with boxes ({manifest.looking.data}):"
        yield table(HEAT_HEAD, heat_rows(manifest.looking))


def row(test: Evaluation, finding: str) -> list[str]:
    """One finding: all films on which it is known, by view, and at its operating point."""
    figures = [each for each in test.findings if each.finding == finding][-1]
    views = {group.value: group for group in test.subgroups if (group.column, group.finding) == ("view", finding)}
    published = PUBLISHED.get(finding)
    return [
        f"{finding} (radiologists)" if finding == OPACITY else finding,
        str(test.class_counts[finding]),
        str(figures.auroc),
        *(str(views[view].auroc or views[view].note) if view in views else "" for view in ("PA", "AP")),
        str(figures.sensitivity),
        str(figures.specificity),
        "" if published is None else f"{published:.3f}",
    ]


if __name__ == "__main__":
    main()
