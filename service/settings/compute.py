"""Settings of what computes: the bundles, the network, the decoders, and how much work they accept."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from bundle.versions import is_version
from schemas.model.drift import FEWEST_FILMS
from schemas.model.precision import Precision
from service.settings.section import Positive, Section, matching

LONGEST_DEADLINE_MS: Final = 600_000
_SHARE: Final = 8  # one place in eight is kept for each priority: the other must not turn it away altogether
_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
_MODEL_RULE: Final = "must be NAME or NAME/VERSION, each of small letters, digits, dots, hyphens and underscores"
_LEAST_RULE: Final = "must be a version such as 2.0.0, or NAME/VERSION of each bundle, separated by commas"

DeadlineMs = Annotated[int, Field(ge=1, le=LONGEST_DEADLINE_MS)]
"""Time for an answer: the bounds of the setting and of the header X-Deadline-Ms."""
BackendChoice = Literal["auto", "onnx", "torch"]


def usable_cores() -> int:
    """Cores that this process may run on; a container's CPU quota is not seen here, set the numbers by hand there."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _listed(value: object) -> object:
    """The entries of a list that is separated by commas, which is how one variable holds several values."""
    return tuple(entry.strip() for entry in value.split(",")) if isinstance(value, str) else value


def _check_least(value: str) -> str:
    pairs = [entry.strip().rpartition("/") for entry in value.split(",")]
    names = [name if slash else None for name, slash, _ in pairs]
    is_list = names == [None] or (all(names) and len(set(names)) == len(names))
    if not is_list or not all(is_version(version) for _, _, version in pairs):
        raise ValueError(_LEAST_RULE)
    return value


Choice = Annotated[str, matching(rf"{_NAME}(/{_NAME})?", _MODEL_RULE)]
"""A bundle as an operator names it."""


class ModelSettings(Section):
    """Which bundles are served, and when one replaces another."""

    models_dir: Path = Field(default=Path("models"), description="the directory of bundles")
    model: Choice | None = Field(
        default=None,
        description="`name` (its newest version that passes its checks; pre-releases last) or `name/version`; default: "
        "content of the file `models/current`",
    )
    models: Annotated[tuple[Choice, ...], NoDecode, BeforeValidator(_listed)] = Field(
        default=(),
        description="instead of CXR_MODEL: several bundles that serve side by side, each `name` or `name/version`, "
        "separated by commas, in the order of preference; default: one bundle",
    )
    max_models: Annotated[int, Field(ge=1, le=16)] = Field(
        default=4,
        description="most bundles that CXR_MODELS may name; each takes memory for itself and for the one before it",
    )
    least_version: Annotated[str, AfterValidator(_check_least)] | None = Field(
        default=None,
        description="bundles of a lower version are refused, also signed ones: a version for all of them, or "
        "`name/version` of each, separated by commas; default: every version may serve",
    )
    trusted_keys_file: Path | None = Field(
        default=None,
        description="Ed25519 public keys as PEM, made by `python -m export keygen`: only bundles that one of them has "
        "signed are served; read again when it changes",
    )
    load_timeout_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=20,
        description="processor time in which a bundle must load and pass its self-test, in a process of its own "
        "(Linux); six times as much on the clock, as films go first",
    )
    load_memory_bytes: Annotated[int, Field(ge=256 * 1024 * 1024)] = Field(
        default=2 * 1024**3, description="address space that this process may take in addition"
    )
    model_poll_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=2.0, description="seconds between two looks at the models directory; a new bundle replaces the old one"
    )
    max_slowdown: Annotated[float, Field(gt=1)] = Field(
        default=10.0, description="a candidate bundle slower than the one that serves by this factor is refused"
    )
    drift_window: Annotated[int, Field(ge=FEWEST_FILMS, le=10_000)] = Field(
        default=200, description="number of latest films that cxr_drift_psi compares with those of validation"
    )

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if self.model is not None and self.models:
            msg = (
                f"model {self.model} and models {','.join(self.models)} are both set; keep CXR_MODELS for several "
                "bundles, or CXR_MODEL for one"
            )
            raise ValueError(msg)
        if repeated := sorted({name for name in self.names if self.names.count(name) > 1}):
            msg = f"models names {repeated[0]} more than once; one version of a bundle serves at a time: name it once"
            raise ValueError(msg)
        if len(self.models) > self.max_models:
            msg = (
                f"models names {len(self.models)} bundles and max_models allows {self.max_models}; name fewer, or "
                "raise CXR_MAX_MODELS where memory allows"
            )
            raise ValueError(msg)
        if self.names and (unknown := sorted(self._least_versions.keys() - {"", *self.names})):
            msg = f"least_version is of {unknown[0]}, and {', '.join(self.names)} serve; correct one of the two"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of the bundles that the settings name, in the order of preference; none where the file `current` decides."""
        chosen = self.models or (() if self.model is None else (self.model,))
        return tuple(choice.partition("/")[0] for choice in chosen)

    def least_version_of(self, name: str) -> str | None:
        """The lowest version of a bundle that may serve; None: every version."""
        return self._least_versions.get(name, self._least_versions.get(""))

    @property
    def _least_versions(self) -> dict[str, str]:
        """By the bundle's name; empty: of every bundle."""
        pairs = (entry.strip().rpartition("/") for entry in (self.least_version or "").split(",") if entry)
        return {name: version for name, _, version in pairs}


class EngineSettings(Section):
    """How the network runs."""

    provider: Literal["cpu", "cuda"] = Field(default="cpu", description="where the network runs; no silent fallback")
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
    timeout_s: Positive = Field(
        default=20,
        description="time to decode one compressed film of the largest size, after which its process is ended; smaller "
        "ones have less: 3 s, and .3 s (JPEG 2000: 2 s) for each megapixel",
    )
