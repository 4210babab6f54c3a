"""Which augmentation recipe holds on films as other sites would send them; judged on validation films alone.

    python -m benchmarks.recipes --data ../shared/data/kermany224 --weights
    ../shared/weights/tf_efficientnet_lite0.safetensors

Trains one network with each recipe on the data's train and val splits alone, judges it on its validation films,
plain and
under every shift, and prints a Markdown table; --write puts it into docs/results/recipes.md. A run that was stopped
goes on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from rich.console import Console
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from schemas.model.evaluation import SubgroupMetrics
from schemas.model.trial import TrialRecord
from trainer.allocator import keep_freed_memory
from trainer.config import make_config
from trainer.folder import RunFolder
from trainer.judging.shifts import NONE, SHIFTS
from trainer.learning.augment import RECIPES
from trainer.networks.inference import outputs
from trainer.runs.console import ConsoleReporter
from trainer.runs.run import train
from trainer.trials.trial import TrainedTrial, load_trial

_BATCH = 64
PAGE = Path("docs/results/recipes.md")
HEAD = (
    "| recipe | AUROC | specificity | ECE | loss | loss, norms remeasured | under shifts: AUROC | "
    "sensitivity | specificity "
    "| worst balanced accuracy | under |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def development(data: Path, out: Path) -> Path:
    """A folder with the data's train and val splits and no test."""
    folder = out / "films"
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "val"):
        link = folder / split
        if not link.exists():
            link.symlink_to((data / split).resolve())
    return folder


def trial_of(recipe: str, films: Path, options: argparse.Namespace) -> TrainedTrial:
    """Train one network with a recipe, or read the one that was trained."""
    run = RunFolder(options.out / recipe)
    config = make_config(
        {
            "data.path": str(films),
            "networks.archs": [options.arch],
            "networks.weights": {options.arch: str(options.weights)} if options.weights else {},
            "networks.seeds": [options.seed],
            "networks.size": options.size,
            "learn.epochs": options.epochs,
            "learn.augment": recipe,
            "learn.ema_decay": 0.99,
            "data.on_duplicates": "drop",
            "data.test_fraction": 0,
            "judge.shifts": True,
            "report.explain": 0,
        }
    )
    command = f"python -m benchmarks.recipes --arch {options.arch} --size {options.size} --epochs {options.epochs}"
    board = train(config, run, command=command, reporter=ConsoleReporter(Console(stderr=True), ()))
    return load_trial(run.trial(board.winner.trial))


def losses(trial: TrainedTrial) -> tuple[float, float]:
    """Cross-entropy on plain validation films: as trained, and with batch norms measured on plain training films.

    A network whose films were always altered learns the statistics of altered films; where the second loss is smaller,
    its answers to plain films are off by that.
    """
    films, labels = trial.inputs("val")
    train, _ = trial.inputs("train")
    truth = torch.from_numpy(labels)
    before = functional.cross_entropy(outputs(trial.network, films)[0], truth)
    # Mixed: the films lie class by class, and the variance of a batch of one class is too small.
    order = np.random.default_rng(0).permutation(len(train))
    parts = (torch.from_numpy(train[np.sort(order[start : start + _BATCH])]) for start in range(0, len(train), _BATCH))
    update_bn(parts, trial.network)
    return float(before), float(functional.cross_entropy(outputs(trial.network, films)[0], truth))


def balanced(row: SubgroupMetrics) -> float:
    """Mean of sensitivity and specificity at the operating point."""
    return fmean(value(row, "sensitivity", "specificity"))


def value(row: SubgroupMetrics, *names: str) -> list[float]:
    """Figures of films of both classes, which all have them."""
    return [getattr(row, name).value for name in names]


def table_row(recipe: str, trial: TrainedTrial) -> str:
    """One line of the table."""
    record = trial.record
    rows = {row.value: row for row in record.validation.shifts}
    plain = rows.pop(NONE)
    shifted = list(rows.values())
    worst = min(shifted, key=balanced)
    means = [fmean(value(row, name)[0] for row in shifted) for name in ("auroc", "sensitivity", "specificity")]
    (specificity,) = value(plain, "specificity")
    cells = (
        f"`{recipe}`",
        str(plain.auroc),
        f"{specificity:.3f}",
        f"{record.validation.ece.value:.3f}",
        *(f"{loss:.3f}" for loss in losses(trial)),
        *(f"{mean:.3f}" for mean in means),
        f"{balanced(worst):.3f}",
        worst.value,
    )
    return f"| {' | '.join(cells)} |"


def page(rows: Sequence[str], record: TrialRecord, options: argparse.Namespace) -> str:
    """The result as a page of the documentation."""
    validation = record.validation
    return (
        "# Augmentation recipes, judged on validation\n\n"
        f"`python -m benchmarks.recipes` trained one network with each recipe: {options.arch}, "
        f"{options.size} px, {options.epochs} epochs, seed "
        f"{options.seed}, weights {record.provenance.pretrained_weights}; {validation.films:,} validation "
        f"films of {validation.patients:,} "
        f"patients (SHA-256 `{validation.data_sha256[:12]}`); no test film was read. The threshold of each "
        "network is the highest that finds "
        f"{record.calibration.operating_points[0].target_sensitivity:.0%} of its plain validation films with "
        "the finding; it stays the same under "
        f"the {len(SHIFTS)} shifts of `trainer/judging/shifts.py`. Norms remeasured: the statistics of the "
        "batch norms are measured again on plain "
        "training films; if that lowers the loss, the network judges unaltered films with an offset.\n\n"
        + "\n".join((HEAD, *rows))
        + "\n"
    )


def main() -> None:
    """Train, judge, print."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train, val and test")
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"))
    parser.add_argument("--arch", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", type=Path, help="pretrained weights")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}")
    options = parser.parse_args()
    films = development(options.data, options.out)
    trials = {name: trial_of(name, films, options) for name in options.recipes.split(",")}
    text = page([table_row(name, trial) for name, trial in trials.items()], next(iter(trials.values())).record, options)
    print(text)
    if options.write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
