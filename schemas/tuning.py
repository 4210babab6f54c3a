"""What `python -m service tune` measures of a bundle on one machine, and which settings follow from it."""

from typing import Final, Literal

from pydantic import Field

from schemas.model.precision import Precision
from schemas.record import Record, Sha256

FORMAT: Final = 1

Provider = Literal["cpu", "cuda", "tensorrt"]
"""Where a network runs."""
GpuRuns = Literal["plain", "bound", "graphs"]
"""How runs use the memory of a GPU."""


class Machine(Record):
    """What a measurement depends on: figures of another machine, or of other software, say nothing here."""

    cpu: str = Field(description="its model as the system names it")
    cores: int = Field(ge=1, description="on which the process may run")
    gpus: tuple[str, ...] = Field(description="their models")
    onnxruntime: str = Field(description="its version")
    providers: tuple[str, ...] = Field(description="of the installed ONNX Runtime")


class EngineChoice(Record):
    """Settings of the engine by their names."""

    provider: Provider
    precision: Precision
    intra_op_threads: int = Field(ge=1, description="within one run of the network")
    concurrent_runs: int = Field(ge=1, description="simultaneous runs of the network")
    max_batch_size: int = Field(ge=1, description="films in one run of the network")
    film_processes: int = Field(
        default=0, ge=0, description="processes that read whole films; 0: threads of the service do"
    )

    @property
    def words(self) -> str:
        """As a row of a table or a log names it."""
        workers = f"{self.film_processes} processes" if self.film_processes else f"{self.concurrent_runs} runs"
        runs = f"{workers} x {self.intra_op_threads} threads"
        return f"{self.provider} {self.precision}, {runs}, batch {self.max_batch_size}"


class Measured(Record):
    """One choice and its figures."""

    choice: EngineChoice
    films_per_s: float = Field(gt=0, description="median of the rounds: decoded, prepared and run")
    lowest: float = Field(gt=0, description="of the rounds")
    highest: float = Field(gt=0, description="of the rounds")
    ms_per_film: float = Field(gt=0, description="median time of one batch with its films, under this load")


class Untried(Record):
    """A precision or provider that was not measured, and why."""

    provider: Provider
    precision: Precision
    reason: str


class TuningProfile(Record):
    """The file of one bundle on one machine."""

    format: Literal[1] = FORMAT
    bundle: str = Field(description="name/version")
    bundle_sha256: Sha256
    machine: Machine
    made_at: str = Field(description="UTC, ISO 8601")
    software_version: str
    rounds: int = Field(ge=1)
    seconds: float = Field(gt=0, description="that the measurement took")
    busy_cores: float = Field(ge=0, description="taken by other programs before it began; figures are lower for them")
    chosen: EngineChoice
    figures: tuple[Measured, ...] = Field(min_length=1, description="the fastest first")
    processes: tuple[Measured, ...] = Field(description="of several processes, each with one run at a time")
    untried: tuple[Untried, ...] = ()
