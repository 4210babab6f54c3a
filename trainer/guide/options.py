"""Options of the training of a guide."""

from typing import Annotated

from pydantic import Field

from schemas.model.calibration import Fraction
from schemas.model.guide import Shown
from schemas.record import Record

Name = Annotated[str, Field(min_length=1)]


class GuideOptions(Record):
    """How a guide is trained."""

    table: Name = Field(description="CSV of films: path,split[,patient][,mask][,oriented] and a column for each trait")
    accepted: dict[Name, tuple[Name, ...]] = Field(
        default={}, description="By trait of the table: values of the films that a network behind it shall answer"
    )
    made_up: tuple[Name, Name] | None = Field(
        default=None, description="Trait and value of pictures that are no films at all, which are made from films"
    )
    shows: Shown = Field(
        default="lungs",
        description="What a network behind it sees: the lungs alone, or all of their box, with heart and diaphragm",
    )
    trained: Name | None = Field(
        default=None,
        description="Folder of a guide whose weights are taken as they are: its cut-offs alone are chosen anew, for "
        "other accepted films",
    )
    cache: Name = Field(default=".cache/films", description="Folder for prepared films")
    weights: Name = Field(default="none", description="First weights of the encoder: 'none' or a file")
    epochs: int = Field(default=8, ge=1, description="Number of epochs")
    films_per_epoch: int = Field(default=4000, ge=1, description="Number of films that are drawn for an epoch")
    batch_size: int = Field(default=16, ge=2, description="Films in a batch")
    lr: float = Field(default=1e-3, gt=0, description="Peak learning rate; the encoder's is a third of it")
    weight_decay: float = Field(default=0.01, ge=0, description="Of all weights")
    seed: int = Field(default=0, description="Of weights, order and variations")
    workers: int = Field(default=1, ge=1, description="Threads that vary films ahead of the network")
    passed: Fraction = Field(
        default=0.985, description="Share of accepted validation films that pass each trait; it decides the cut-offs"
    )
