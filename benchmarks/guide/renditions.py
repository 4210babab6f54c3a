r"""Whether a served bundle judges a film alike at every size: the 224-pixel copy, the one of 640, and the original.

    python -m benchmarks.guide.renditions --data ../shared/data --table runs/guide/table.csv --models MODELS \
        --model NAME/VERSION

The films are validation films of the guide's table that exist as copies and with at most 640 pixels; and, apart from
them, the full-size originals, which trained the network in their other sizes.
"""

import http.client
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.guide.kinds import bundle_parser, validation_rows
from benchmarks.resilience.server import Server, running
from biostatistics.intervals import wilson_interval

FAR = 0.05


@dataclass(frozen=True, slots=True)
class Compared:
    """The same films in two renditions."""

    differences: Sequence[float]
    """Of the probability of the finding, absolute."""
    flipped: int
    """Films that get another label."""

    def __str__(self) -> str:
        """In one line."""
        count = len(self.differences)
        median, ninetieth = np.quantile(self.differences, (0.5, 0.9))
        far = sum(difference > FAR for difference in self.differences)
        return (
            f"{count} films: difference of the probability {median:.3f} in the median, {ninetieth:.3f} at the 90th "
            f"percentile, above {FAR} in {far}; another label {wilson_interval(self.flipped, count)} ({self.flipped})"
        )


def compare(server: Server, pairs: Sequence[tuple[Path, Path]]) -> Compared:
    """Post each film twice.

    Args:
        server: is ready, and serves a bundle with one finding.
        pairs: two files of each film.
    """
    answers = [tuple(_ask(server, path) for path in pair) for pair in pairs]
    differences = [abs(first[0] - second[0]) for first, second in answers]
    return Compared(differences, sum(first[1] != second[1] for first, second in answers))


def _ask(server: Server, path: Path) -> tuple[float, str]:
    """The probability of the finding, and the label."""
    status, body = server.ask("POST", "/predict", path.read_bytes())
    if status != http.client.OK:
        sys.exit(f"{path.name} is answered with {status}: {body.decode()}")
    prediction = json.loads(body)["prediction"]
    return prediction["probabilities"][prediction["operating_point"]["finding"]], prediction["label"]


def by_name(folder: Path) -> Mapping[str, Path]:
    """The films below a folder by their names without the ending."""
    return {path.stem: path for path in sorted(folder.rglob("*")) if path.is_file()}


def main() -> None:
    """Compare and print."""
    arguments = bundle_parser(__doc__.splitlines()[0]).parse_args()
    data: Path = arguments.data
    copies, larger = by_name(data / "kermany224" / "train"), by_name(data / "kermany_originals_640")
    originals = by_name(data / "originals")
    held_out = sorted({row.path.stem for row in validation_rows(arguments.table)} & set(copies) & set(larger))
    shown = sorted(set(originals) & set(copies))
    with running(models_dir=arguments.models, model=arguments.model) as server:
        print("224 and 640 pixels,", compare(server, [(copies[name], larger[name]) for name in held_out]))
        print("224 pixels and full size,", compare(server, [(copies[name], originals[name]) for name in shown]))


if __name__ == "__main__":
    main()
