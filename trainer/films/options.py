"""Section `data` of a training config: which films a run uses, and how they are split."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.model.guide import Population
from schemas.record import Record, distinct

Name = Annotated[str, Field(min_length=1)]
Classes = Literal["folders", "kermany3"]
Masks = Literal["ignore", "lungs"]
OnDuplicates = Literal["stop", "drop"]
TaskKind = Literal["classes", "findings"]
"""Classes that exclude one another, or findings that are judged each by itself."""
Uncertain = Literal["ignore", "positive", "negative", "soft"]
AlteredSearch = Literal["auto", "always", "never"]

NEAR_DUPLICATE = 0.985
"""Rank correlation of two thumbnails from which on they show one picture. Measured: docs/data.md."""


def a_column_or_expression(patients: str | None) -> str | None:
    """The same text.

    Raises:
        ValueError: it is neither the name of a column nor a regular expression.
    """
    try:
        re.compile(patients or "")
    except re.error as error:
        msg = f"{patients} is neither the name of a column nor a regular expression ({error})"
        raise ValueError(msg) from error
    return patients


class DataOptions(Record):
    """The films of a run, and which of them train, validate and test."""

    path: Name = Field(
        description="Folder of films, a MedMNIST .npz, or a .csv or .tsv of path,label[,patient][,split]; see "
        "docs/data.md"
    )
    cache: Name = Field(default=".cache/films", description="Folder for prepared films")
    renditions: Name | None = Field(
        default=None,
        description="Folder of the same films in another size or compression, found by their file names without the "
        "ending; training sees one or the other",
    )
    lung_masks: Name | None = Field(
        default=None,
        description="Folder of lung masks of the films that train, each with the name of its film, bright where the "
        "lungs are; masks beside images/ count without it",
    )
    boxes: Name | None = Field(
        default=None, description="CSV table of boxes of the films that train, in the form of judge.boxes"
    )
    classes: Classes = Field(
        default="folders", description="kermany3: normal, bacterial and viral, by Kermany's file names"
    )
    task: Literal["auto", TaskKind] = Field(
        default="auto",
        description="classes: a film has one, which excludes the others; findings: a film may have several or none; "
        "auto: findings where a table or .npz gives several for a film",
    )
    findings: tuple[Name, ...] = Field(
        default=(), description="Findings to learn; empty: all that occur often enough to be learned and judged"
    )
    uncertain: Uncertain = Field(
        default="ignore",
        description="A finding that is marked as uncertain: not learned, learned as present, as absent, or as a share",
    )
    label_names: tuple[Name, ...] = Field(default=(), description="Names of the labels 0, 1, … of a .npz")
    population: Population | None = Field(
        default=None, description="Whose films they are: name, least_age_years, age_below_years; null: not stated"
    )
    negative_class: Name | None = Field(
        default=None,
        description="Class that means none of the others, or `none`; null: found by the names of the classes",
    )
    patients: Name | None = Field(
        default=None,
        description="Who the patient is: a column of the .csv, or a regular expression over the paths, whose group "
        "`patient`, or first group, or match is the patient",
    )
    masks: Masks = Field(
        default="ignore", description="lungs: train on the lungs alone; such a network is not exported"
    )
    skip_unreadable: bool = Field(default=False, description="Leave out files that cannot be read, instead of stopping")
    on_duplicates: OnDuplicates = Field(
        default="stop", description="Copies of a film in two splits: stop, or drop them from train and val"
    )
    near_duplicates: float = Field(
        default=NEAR_DUPLICATE, gt=0.9, le=1, description="Rank correlation of thumbnails that makes two films copies"
    )
    altered_copies: AlteredSearch = Field(
        default="auto",
        description="Look for copies that were cut, moved, turned, mirrored, framed, inverted, equalised or written "
        "on; auto: among at most 20,000 films",
    )
    val_fraction: float = Field(
        default=0.15, gt=0, lt=0.5, description="Share of the training films that validate, where the data has no val"
    )
    test_fraction: float = Field(
        default=0.15,
        ge=0,
        lt=0.5,
        description="Share of the films that test, where the data has no test; 0: no test set",
    )
    split_seed: int = Field(default=0, description="Seed that decides which patients validate and test")
    folds: int | None = Field(
        default=None, ge=2, description="Cross-validate over train and val by patient, one trial for each fold"
    )
    films: int | None = Field(
        default=None, ge=10, description="Train on a sample of this number of films; null: on all"
    )

    _distinct = field_validator("label_names", "findings")(distinct)
    _patients_are_found = field_validator("patients")(a_column_or_expression)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.findings and self.task == "classes":
            msg = "findings names findings that are judged each by itself, and task=classes has none; leave one out"
            raise ValueError(msg)
        return self
