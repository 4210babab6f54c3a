"""Settings of what computes: the networks, the decoders, and how much work they accept."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from schemas.engine.tuning import GpuRuns, Provider
from schemas.model.precision import Precision
from service.settings.models import NumberByName
from service.settings.section import Positive, Section

LONGEST_DEADLINE_MS: Final = 600_000
_SHARE: Final = 8  # one place in eight is kept for each priority: the other must not turn it away altogether

DeadlineMs = Annotated[int, Field(ge=1, le=LONGEST_DEADLINE_MS)]
"""Time for an answer: the bounds of the setting and of the header X-Deadline-Ms."""
BackendChoice = Literal["auto", "onnx", "torch"]


def usable_cores() -> int:
    """Cores that this process may run on; a container's CPU quota is not seen here, set the numbers by hand there."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class EngineSettings(Section):
    """How the network runs."""

    provider: Provider = Field(
        default="cpu",
        description="where the network runs; no silent fallback. tensorrt builds its engines for minutes at each start "
        "unless CXR_TENSORRT_CACHE_DIR keeps them",
    )
    gpu_runs: GpuRuns = Field(
        default="plain",
        description="on a GPU, plain: memory is allocated for each run; bound: buffers that stay, a set for each size "
        "of batch; graphs: each size is captured as a CUDA graph in addition; the last two have not run on a GPU yet "
        "(docs/tuning.md)",
    )
    tensorrt_cache_dir: Path | None = Field(
        default=None, description="folder in which TensorRT keeps its engines; default: it builds them at each start"
    )
    precision: Precision = Field(
        default="fp32",
        description="graph of the bundle that is used: int8 is for CPUs, fp16 for CUDA; a bundle without it is refused",
    )
    intra_op_threads: Positive = Field(default=1, description="threads within one run of the network")
    explain_backend: BackendChoice = Field(
        default="auto",
        description="what draws heat maps. onnx: outputs of the graph; torch: weights in the bundle, with the extra "
        "[torch]; auto: the graph, and torch for a bundle whose graph has no heat maps",
    )
    concurrent_runs: Positive = Field(
        default_factory=usable_cores, description="simultaneous runs of the network; default: number of CPU cores"
    )
    film_processes: Annotated[int, Field(ge=0, le=1024)] | None = Field(
        default=None,
        description="processes that read routine films, each one at a time from its bytes to the outputs of the "
        "network, and one more for stat films; on Linux, and not on CUDA or with intra_op_threads or max_batch_size "
        "over 1; default: 0, threads of the service do all of it",
    )
    run_timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30.0,
        description="longest run of the network; a longer one is interrupted, and /readyz answers 503 for ten seconds; "
        "one that cannot be interrupted hangs until a restart, and /livez answers 503",
    )
    max_batch_size: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None,
        description="films in one run of the network; default: 1 on a CPU, where more gain nothing and delay urgent "
        "films, 16 on CUDA",
    )

    concurrent_runs_by_model: NumberByName = Field(
        default={},
        description="other numbers of simultaneous runs, for single bundles: NAME=NUMBER, ...",
    )
    max_batch_size_by_model: NumberByName = Field(
        default={}, description="other sizes of batches, for single bundles: NAME=NUMBER, ..."
    )
    tuning_dir: Path | None = Field(
        default=None,
        description="folder of profiles that `python -m service tune` writes: what they measured on this machine "
        "replaces the defaults of provider, precision, threads, runs, batch and processes; default: none is used",
    )

    def of(self, name: str) -> Self:
        """The settings of the bundle of this name."""
        own = {
            "concurrent_runs": self.concurrent_runs_by_model.get(name),
            "max_batch_size": self.max_batch_size_by_model.get(name),
        }
        return self.model_copy(update={field: number for field, number in own.items() if number is not None})

    @model_validator(mode="after")
    def _read_in_processes(self) -> Self:
        if self.film_processes and not self._may_fork:
            msg = (
                f"CXR_FILM_PROCESSES is {self.film_processes}, and films are read in processes on Linux alone, with "
                "CXR_PROVIDER=cpu, CXR_INTRA_OP_THREADS=1 and CXR_MAX_BATCH_SIZE at most 1; set it to 0, or these"
            )
            raise ValueError(msg)
        return self

    @property
    def _may_fork(self) -> bool:
        is_single = self.intra_op_threads == 1 and self.largest_batch == 1
        return sys.platform == "linux" and self.provider == "cpu" and is_single

    @property
    def processes(self) -> int:
        """Processes that read routine films; 0: threads do."""
        if self.film_processes is None:
            return 0
        return self.film_processes

    @property
    def may_read_in_processes(self) -> bool:
        """Whether processes read films, or a profile of this machine may ask for them."""
        return bool(self.processes) or (self.film_processes is None and self.tuning_dir is not None and self._may_fork)

    @property
    def largest_batch(self) -> int:
        """Films in one run of the network."""
        return self.max_batch_size or (1 if self.provider == "cpu" else 16)


class LimitSettings(Section):
    """How much work is accepted at the same time, how large, and for how long."""

    max_queue: Positive = Field(
        default=64,
        description="films admitted and not yet answered; beyond it 503 at once; an eighth is kept for stat films, and "
        "an eighth for routine films",
    )
    max_batch_items: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=32, description="films in one request to /predict/batch"
    )
    max_body_bytes: Positive = Field(default=64 * 1024 * 1024, description="largest request body")
    max_inflight_bytes: Positive = Field(
        default=512 * 1024 * 1024, description="bodies of all requests in flight together; beyond it 503 at once"
    )
    max_pixels: Positive = Field(default=40_000_000, description="largest film, rows times columns")
    deadline_ms: DeadlineMs = Field(
        default=30_000, description="time for an answer where the caller sends no X-Deadline-Ms"
    )

    idempotency_s: Annotated[float, Field(ge=0, le=7 * 24 * 3600)] = Field(
        default=3600,
        description="time for which the answer to a request with an Idempotency-Key is kept, for the same "
        "request sent again; 0: none is kept, and the header means nothing",
    )
    idempotency_bytes: Positive = Field(
        default=64 * 1024 * 1024,
        description="answers that are kept for it at most; the oldest of the caller who has most goes first",
    )
    result_cache_bytes: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="memory for answers of /predict, /predict/batch and /explain, which are given again to the same "
        "bytes, bundle and question, and recorded in the audit log as repeated; 0: every film is computed",
    )

    @property
    def routine_places(self) -> int:
        """How many of `max_queue` places routine films may take."""
        return self.max_queue if self.max_queue == 1 else self.max_queue - max(1, self.max_queue // _SHARE)

    @property
    def stat_places(self) -> int:
        """How many of `max_queue` places stat films may take; anybody may say that a film is urgent."""
        return self.max_queue - self.max_queue // _SHARE

    @model_validator(mode="after")
    def _check_room(self) -> Self:
        if self.max_batch_items > self.routine_places:
            msg = (
                f"max_batch_items {self.max_batch_items} is over the {self.routine_places} places that max_queue "
                f"{self.max_queue} has for routine films: no such batch could enter"
            )
            raise ValueError(msg)
        if self.max_body_bytes > self.max_inflight_bytes:
            msg = (
                f"max_body_bytes {self.max_body_bytes} is over max_inflight_bytes {self.max_inflight_bytes}: the "
                "largest body could never enter; raise the second or lower the first"
            )
            raise ValueError(msg)
        return self


class DecodeSettings(Section):
    """What decodes films."""

    model_config = SettingsConfigDict(env_prefix="CXR_DECODE_")

    workers: Positive = Field(
        default_factory=usable_cores,
        description="routine films decoded at the same time, and the same number of stat films in addition; each by a "
        "thread, compressed DICOM by a child process; default: number of CPU cores",
    )
    budget_bytes: Positive = Field(
        default=640 * 1024 * 1024,
        description="memory for the films that are decoded at the same time, in the service and in its children "
        "together; more films wait, and one that needs more by itself is refused",
    )
    memory_bytes: Annotated[int, Field(ge=512 * 1024 * 1024)] = Field(
        default=2 * 1024**3, description="address space of a process that decodes compressed films"
    )
    children_at_start: bool = Field(
        default=True,
        description="where threads of the service read films (CXR_FILM_PROCESSES=0): start one of the processes that "
        "decode compressed ones as soon as it is ready, so that the first such film is as fast as the tenth; the "
        "others, and with false all of them, start with films that need them, which wait .1 s for it",
    )
    timeout_s: Positive = Field(
        default=20,
        description="time to decode one compressed film of the largest size, after which its process is ended; smaller "
        "ones have less: 3 s, and .3 s (JPEG 2000: 2 s) for each megapixel",
    )
