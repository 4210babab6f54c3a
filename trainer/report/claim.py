"""The CLAIM checklist, answered from the records of a run as far as they hold the answers.

`claim.toml` holds the items, each with the template of its answer. An item without an answer is left to the authors.

Source: Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update, Radiology:
    Artificial Intelligence 6 (2024) e240300, doi:10.1148/ryai.240300.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from schemas.model.evaluation import FindingMetrics
from trainer.films.dataset import DataRecord
from trainer.report.records import RecordedRun, RecordedTrial
from trainer.report.summary import limits_in_words, networks

VERSION = "CLAIM 2024 update"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a study report should state."""

    number: int
    section: str
    asks: str
    answer: str | None = None
    """A template over the fields of `Facts`; None: no record of a run can hold the answer."""


@dataclass(frozen=True, slots=True)
class Training:
    """How the winner was trained."""

    optimizer: str
    learning_rate: float
    """At its peak."""
    schedule: str
    batch_size: int
    epochs: int
    """At most."""
    patience: int
    """Epochs without a better validation AUROC before training stops."""
    loss: str
    augmentation: str
    split_seed: int


@dataclass(frozen=True)
class Facts:
    """The values that the answers are made of, under the names that `claim.toml` uses."""

    data: DataRecord
    winner: RecordedTrial
    training: Training
    networks: int
    """Trials that are one network each."""
    architectures: list[str]
    ensembles: list[str]
    """Trials that are averages of others."""
    operating_points: list[tuple[str, FindingMetrics]]
    """Name of a set of films, and the winner's figures there at an operating point."""
    limits: tuple[str, ...]


@cache
def checklist_items() -> tuple[Item, ...]:
    """All items, in their order."""
    text = files("trainer.report").joinpath("claim.toml").read_text(encoding="utf-8")
    return tuple(Item(**item) for item in tomllib.loads(text)["items"])


def answer_checklist(run: RecordedRun) -> dict[Item, str | None]:
    """Every item with its answer in plain text; None where it is left to the authors."""
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - text that pages escape
    environment.filters["thousands"] = "{:,}".format
    facts = vars(_facts(run))

    def answer(template: str) -> str:
        return " ".join(environment.from_string(template).render(facts).split())

    return {item: None if item.answer is None else answer(item.answer) for item in checklist_items()}


def _facts(run: RecordedRun) -> Facts:
    winner = run.winner
    return Facts(
        data=run.data,
        winner=winner,
        training=_training(run),
        networks=len(networks(run)),
        architectures=sorted({trial.row.architecture for trial in networks(run)}),
        ensembles=[row.trial for row in run.board.rows if row.kind == "ensemble"],
        operating_points=[
            (name, metrics)
            for point in winner.record.calibration.operating_points
            for name, metrics in winner.at_operating_point(point.finding).items()
        ],
        limits=limits_in_words(run),
    )


def _training(run: RecordedRun) -> Training:
    config = run.config.learn
    recipe = config.recipe(run.winner.row.architecture)
    return Training(
        optimizer=config.optimizer,
        learning_rate=recipe.lr,
        schedule=config.schedule,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        patience=config.patience,
        loss=config.loss,
        augmentation=config.augment,
        split_seed=run.config.data.split_seed,
    )
