"""A small data set of films with two findings that come together: stripes across and bars down a film."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.films import encode, unlike
from trainer.config import RunConfig, make_config

FINDINGS = ("Stripes", "Bars")


def write_findings(root: Path, *, films: int = 150, side: int = 32) -> Path:
    """`films.csv` with a column for each finding, some cells empty or uncertain, two films of each patient."""
    random = np.random.default_rng(0)
    (root / "films").mkdir(parents=True)
    lines = ["path,patient,view,Stripes,Bars"]
    for number in range(films):
        stripes, bars = random.random(2) < (0.45, 0.25)
        bars |= stripes and random.random() < 0.3
        film = unlike(side, seed=number).astype(np.int64)
        film[::4] += 80 * stripes
        film[:, ::4] += 80 * bars
        (root / f"films/{number}.png").write_bytes(encode(np.clip(film, 0, 255).astype(np.uint8), ".png"))
        cells = [_cell(stripes, random.random()), _cell(bars, random.random())]
        lines.append(f"films/{number}.png,p{number // 2},{'AP' if number % 3 else 'PA'},{','.join(cells)}")
    (root / "films.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / "films.csv"


def _cell(there: bool, draw: float) -> str:  # noqa: FBT001 - the truth
    return "" if draw < 0.05 else "-1" if draw < 0.08 else str(int(there))


def findings_config(table: Path, **options: Any) -> RunConfig:
    """A run on the table that takes seconds."""
    return make_config(
        {
            "data.path": str(table),
            "data.cache": str(table.parent / "cache"),
            "data.findings": FINDINGS,
            "data.val_fraction": 0.35,
            "data.test_fraction": 0.2,
            "data.altered_copies": "never",
            "networks.archs": ["cnn4"],
            "networks.size": 32,
            "learn.device": "cpu",
            "learn.epochs": 2,
            "learn.lr": 3e-3,
            "learn.batch_size": 8,
            "learn.augment": "none",
            **options,
        }
    )
