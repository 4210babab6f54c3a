"""The settings of the service: read once from the environment, checked, frozen and passed down."""

import difflib
import ipaddress
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import SettingsError
from schemas.model.drift import FEWEST_FILMS
from schemas.model.precision import Precision
from service.capacity.admission import routine_places
from service.engine.heat_maps import BackendChoice

PREFIX = "CXR_"
VARIABLES_OF_OTHER_PROGRAMS = frozenset({"CXR_DATA_DIR", "CXR_WEIGHTS_DIR"})
"""Read by the tests and the trainer; their presence is no mistake."""

Positive = Annotated[int, Field(ge=1)]


def usable_cores() -> int:
    """Cores that this process may run on; a container's CPU quota is not seen here, set the numbers by hand there."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Settings(BaseSettings):
    """Everything that an operator may choose; each is the variable `CXR_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", protected_namespaces=()
    )

    models_dir: Path = Field(default=Path("models"), description="the folder of bundles")
    model: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(/[a-z0-9][a-z0-9._-]{0,63})?$",
        description="`name` (its newest version) or `name/version`; default: what `current` in the folder says",
    )
    trusted_keys_file: Path | None = Field(
        default=None,
        description="Ed25519 public keys as PEM, of `python -m export keygen`: only bundles that one of them has signed are "
        "served; read again when it changes",
    )
    model_poll_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=2.0, description="time between two looks at the models directory; a new bundle is swapped in by itself"
    )
    max_slowdown: Annotated[float, Field(gt=1)] = Field(
        default=10.0, description="a new bundle that takes longer than so many times the old one is refused"
    )
    provider: Literal["cpu", "cuda"] = Field(default="cpu", description="where the network runs; no silent fallback")
    precision: Precision = Field(
        default="fp32",
        description="graph of the bundle that computes: int8 is for CPUs, fp16 for CUDA; a bundle without it is refused",
    )
    intra_op_threads: Positive = Field(default=1, description="threads within one run of the network")
    explain_backend: BackendChoice = Field(
        default="auto",
        description="what draws heat maps. onnx: outputs of the graph; torch: the weights beside it, with the extra "
        "[torch]; auto: the graph, and torch for a bundle whose graph has none",
    )
    concurrent_runs: Positive = Field(
        default_factory=usable_cores, description="runs of the network at the same time; default: the cores"
    )
    run_timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30.0,
        description="longest run of the network; one that takes longer hangs, which only a restart ends: /livez answers 503",
    )
    max_batch_size: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None,
        description="films in one run of the network; default: 1 on a CPU, where more bring nothing and make urgent films "
        "wait, 16 on CUDA",
    )
    max_queue: Positive = Field(
        default=64,
        description="films admitted and not yet answered; beyond it 503 at once; an eighth is kept for stat films",
    )
    max_batch_items: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=32, description="films in one request to /predict/batch"
    )
    max_body_bytes: Positive = Field(default=64 * 1024 * 1024, description="largest request body")
    max_inflight_bytes: Positive = Field(
        default=512 * 1024 * 1024, description="bodies of all requests in flight together; beyond it 503 at once"
    )
    max_pixels: Positive = Field(default=40_000_000, description="largest film, rows times columns")
    decode_workers: Positive = Field(
        default_factory=usable_cores,
        description="routine films decoded at the same time, and as many stat films beside them, each by a thread, and "
        "where it is compressed by one of so many child processes; default: the cores",
    )
    decode_memory_bytes: Annotated[int, Field(ge=512 * 1024 * 1024)] = Field(
        default=2 * 1024**3, description="address space of a process that decodes compressed films"
    )
    decode_timeout_s: Positive = Field(
        default=20, description="time to decode one compressed film; then its process ends"
    )
    deadline_ms: Annotated[int, Field(ge=1, le=600_000)] = Field(
        default=30_000, description="time for an answer where the caller sends no X-Deadline-Ms"
    )
    drift_window: Annotated[int, Field(ge=FEWEST_FILMS, le=10_000)] = Field(
        default=200, description="films, the last ones, that are compared with those of validation; see cxr_drift_psi"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: lines for a person on a terminal, JSON otherwise"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=8000, description="port to listen on; 0: any free one")
    api_keys_file: Path | None = Field(
        default=None, description="hashes of API keys, written by `python -m service keys`; read again when it changes"
    )
    jwt_keys_file: Path | None = Field(
        default=None, description="JWK set of the public keys that sign bearer tokens; read again when it changes"
    )
    jwt_issuer: str | None = Field(default=None, min_length=1, description="the only issuer of tokens accepted")
    jwt_audience: str | None = Field(default=None, min_length=1, description="what tokens must name as audience")
    rate_limit: Positive | None = Field(
        default=None, description="films a minute of each caller whose key says nothing else; default: no limit"
    )
    metrics_need_key: bool = Field(default=False, description="demand the scope `metrics` of whoever scrapes /metrics")
    allow_anonymous: bool = Field(
        default=False,
        description="let callers without a key predict, even from other machines; administration needs one",
    )
    audit_file: Path | None = Field(
        default=None,
        description="chain of records of who asked what, JSON lines (docs/audit.md); default: none is kept",
    )
    audit_on_failure: Literal["refuse", "continue"] = Field(
        default="refuse",
        description="where the audit log cannot be written, the disk is full: refuse films with 503, or answer them and "
        "count what is missing",
    )
    audit_sync: bool = Field(
        default=True,
        description="an answer waits until its record is on the disk; false: until the operating system has it, which a "
        "power cut may lose",
    )
    audit_max_bytes: Annotated[int, Field(ge=4096)] = Field(
        default=64 * 1024 * 1024, description="at which the audit log is put aside as FILE.000001 … for a new one"
    )
    audit_syslog: str | None = Field(
        default=None,
        pattern=r"^(/.+|udp://[^/@?#]+)$",
        description="copy of each audit record: udp://HOST:PORT, or a local socket such as /dev/log",
    )
    drain_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=0.0,
        description="time after SIGTERM in which the service still listens, not ready and refusing films, so that a "
        "load balancer notices",
    )
    shutdown_grace_s: Positive = Field(default=30, description="time for requests in flight after SIGTERM")

    dicomweb: bool = Field(
        default=False, description="take films by DICOMweb at /dicomweb/studies and keep them in the spool"
    )
    spool_url: str = Field(
        default="sqlite:///spool/spool.db",
        repr=False,
        description="database of the spool, any of SQLAlchemy's addresses: sqlite:///FILE for one process, "
        "postgresql+psycopg://HOST/NAME for several (the password belongs into PGPASSFILE)",
    )
    spool_capacity: Positive = Field(
        default=1000, description="films in the spool that still hold bytes; beyond it 503 and the sender keeps them"
    )
    results_retention_h: Annotated[float, Field(ge=0)] = Field(
        default=24, description="hours that results and dead letters are kept; a film's bytes go with its analysis"
    )
    pacs_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^@?#]+$",
        description="DICOMweb root of the PACS that gets the results; default: they are kept for GET /results alone",
    )
    pacs_token_file: Path | None = Field(
        default=None, description="file with the bearer token for the PACS; read at every delivery"
    )
    pacs_login_file: Path | None = Field(
        default=None, description="file with user:password for the PACS; read at every delivery"
    )
    pacs_ca_file: Path | None = Field(
        default=None, description="certificates that vouch for the PACS; default: the public ones"
    )
    pacs_timeout_s: Annotated[int, Field(ge=1, le=30)] = Field(
        default=20, description="time for one answer of the PACS"
    )
    pacs_max_attempts: Positive = Field(
        default=300, description="deliveries tried before a result is a dead letter; 300 are about 19 hours"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_batch_items > (places := routine_places(self.max_queue)):
            msg = (
                f"max_batch_items {self.max_batch_items} is over the {places} places that max_queue {self.max_queue} "
                "has for routine films: no such batch could enter"
            )
            raise ValueError(msg)
        if self.max_body_bytes > self.max_inflight_bytes:
            msg = (
                f"max_body_bytes {self.max_body_bytes} is over max_inflight_bytes {self.max_inflight_bytes}: the largest "
                "body could never enter; raise the second or lower the first"
            )
            raise ValueError(msg)
        if self.pacs_url is not None and not self.dicomweb:
            msg = "pacs_url names a PACS, but DICOMweb is off and there will be no results; set CXR_DICOMWEB=true too"
            raise ValueError(msg)
        if self.pacs_token_file is not None and self.pacs_login_file is not None:
            msg = "pacs_token_file and pacs_login_file are two ways to the same PACS; set one of them"
            raise ValueError(msg)
        if self.audit_syslog is not None and self.audit_file is None:
            msg = "audit_syslog is a copy of the audit log, and there is none; set CXR_AUDIT_FILE too"
            raise ValueError(msg)
        token_settings = (self.jwt_keys_file, self.jwt_issuer, self.jwt_audience)
        if any(token_settings) and not all(token_settings):
            msg = "jwt_keys_file, jwt_issuer and jwt_audience belong together: set all three, or none"
            raise ValueError(msg)
        if not (self.knows_callers or self.allow_anonymous or _is_loopback(self.host)):
            msg = (
                f"host {self.host} is reachable from other machines and there are no keys; bind to 127.0.0.1, set "
                "CXR_API_KEYS_FILE, or CXR_ALLOW_ANONYMOUS=true where a gateway in front checks every caller"
            )
            raise ValueError(msg)
        return self

    @property
    def largest_batch(self) -> int:
        """Films in one run of the network."""
        return self.max_batch_size or (1 if self.provider == "cpu" else 16)

    @property
    def knows_callers(self) -> bool:
        """Whether keys or tokens are configured."""
        return self.api_keys_file is not None or self.jwt_keys_file is not None


def load_settings() -> Settings:
    """Read the settings from the process's environment.

    Raises:
        SettingsError: an unknown `CXR_` variable, a value out of its range, or two that contradict each other.
    """
    _refuse_unknown(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(entry) for entry in error.errors(include_url=False))) from error


def _refuse_unknown(names: Iterable[str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | VARIABLES_OF_OTHER_PROGRAMS
    for name in sorted(names):
        if not name.upper().startswith(PREFIX) or name.upper() in known:
            continue
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0)[0]
        msg = f"{name} is no setting of this program; the nearest known name is {near}; correct it or remove it"
        raise SettingsError(msg)


def _sentence(entry: Mapping[str, Any]) -> str:
    if not entry["loc"]:
        return str(entry["msg"]).removeprefix("Value error, ")
    variable = PREFIX + "__".join(str(part) for part in entry["loc"]).upper()
    return f"{variable}={entry['input']!r}: {entry['msg']}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name that may resolve to anything
