"""The record of one trained network: all that the exporter and the report need in addition to its weights."""

from typing import Literal

from pydantic import Field

from schemas.model.calibration import Calibration
from schemas.model.evaluation import Evaluation
from schemas.model.guide import GuideRecord
from schemas.model.looking import Looking
from schemas.model.provenance import Adoption, Provenance
from schemas.model.uncertainty import Uncertainty
from schemas.population import Population
from schemas.preprocess import PreprocessSpec
from schemas.record import Record


class ManyViews(Record):
    """The same network on several views of each film; the exported graph sees one view and does not answer so."""

    views: int = Field(ge=1, description="moved, turned and scaled copies of each film whose logits are averaged")
    calibration: Calibration = Field(description="of the averaged logits, on validation")
    validation: Evaluation
    test: Evaluation | None


class CalibratedNetwork(Record):
    """What must be known about a network before a bundle can be made of it."""

    architecture: str
    classes: tuple[str, ...] = Field(min_length=2, description="K classes in the order of the logits")
    negative_class: str | None
    activation: Literal["softmax", "sigmoid"] = Field(
        default="softmax",
        description="softmax: the classes exclude one another; sigmoid: each is a finding that is judged by itself",
    )
    guide: GuideRecord | None = Field(default=None, description="null: the network looks at the whole film")
    population: Population | None = Field(default=None, description="whose films it answers; null: not stated")
    crop: int | None = Field(
        default=None, description="side of the part of a film that the network behind a guide sees; null: no guide"
    )
    preprocess: PreprocessSpec
    calibration: Calibration
    validation: Evaluation
    test: Evaluation | None = Field(description="null until the run has chosen its winner and opened the test set")
    looking: Looking | None = Field(default=None, description="null: no validation film has marked lungs or findings")
    provenance: Provenance | Adoption


class Load(Record):
    """How busy the machine was while a network was timed: a time means little without it."""

    load_average: float | None = Field(
        ge=0, description="processes that ran or wanted to in the minute before; null: unknown"
    )
    cores: int = Field(ge=1, description="of the machine")
    core_share: float = Field(ge=0, description="time of a core over time of the clock; 1: the core was its own")


class TrialRecord(CalibratedNetwork):
    """One trained network of a run."""

    provenance: Provenance
    epochs: int = Field(description="epochs trained")
    best_epoch: int = Field(description="epoch whose weights were kept, from 0, chosen on validation")
    many_views: ManyViews | None = Field(default=None, description="null where the run uses one view")
    fold: int | None = Field(default=None, description="of cross-validation, from 0; null: the split's own validation")
    settings: dict[str, float | str] = Field(default={}, description="what a search changed in the run's config")
    members: tuple[str, ...] = Field(default=(), description="trials whose mean this is; empty: it is one network")
    uncertainty: Uncertainty | None = Field(default=None, description="null: the network has no dropout")
    ms_per_film: float | None = Field(default=None, description="on the CPU, one thread, one film")
    ms_per_film_load: Load | None = Field(default=None, description="while it was measured; null: not recorded")
