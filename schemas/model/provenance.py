"""Where a bundle's network comes from, and what its training took."""

from datetime import datetime

from pydantic import Field

from schemas.estimate import Estimate
from schemas.record import Record, Sha256


class Provenance(Record):
    """Where the network comes from: enough to train it again.

    Times and energy are sums over the epochs that count, in all the processes that took part; an epoch that was killed
    half-way counts once, when it was repeated.
    """

    command: str
    git_commit: str
    trained_at: datetime
    training_seconds: float
    cpu_seconds: float | None = Field(
        default=None, description="of all threads of training; null: not recorded for every epoch"
    )
    energy_joules: dict[str, float] | None = Field(
        default=None,
        description="by counter of the machine; empty: no counter can be read; null: not recorded for every epoch",
    )
    seed: int
    data: str
    data_sha256: Sha256
    split_sha256: Sha256
    pretrained_weights: str = Field(description="source and hash of the backbone's weights, or 'none'")
    parameters: int
    device: str
    precision: str | None = Field(
        default=None, description="fp32, bf16 or fp16: what training computed in; null: not recorded"
    )
    libraries: dict[str, str]
    plugins: dict[str, str] = Field(
        default={}, description="kind and name of each plug-in that the run used: package and version"
    )
    teachers: tuple["Provenance", ...] = Field(
        default=(), description="the networks that taught it, whose training comes on top"
    )


class Adoption(Record):
    """Where a network that was trained elsewhere comes from: its file, and the films that calibrated it."""

    command: str
    git_commit: str
    adopted_at: datetime
    source: str = Field(description="name and hash of the ONNX file")
    data: str = Field(description="the films that calibrated it; on which it was trained is not known")
    data_sha256: Sha256
    reading: tuple[str, ...] = Field(description="how its input, preprocessing and output were read, in words")
    least_auroc: float = Field(description="that the interval of its AUROC had to begin at")
    floor_auroc: dict[str, Estimate] = Field(
        description="of each finding, by a linear model of few pixels; empty: too few patients"
    )
    faults: tuple[str, ...] = Field(description="why it would not have been published without a reason")
    reason: str | None = Field(description="of the person who published it all the same")
    parameters: int
    libraries: dict[str, str]
