"""Settings of who reaches the service, and what is written down about it."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from service.settings.injected import is_service_link
from service.settings.section import Positive, Section, matching

_ORIGIN: Final = r"https?://[A-Za-z0-9.\-\[\]:]+"
_ORIGINS: Final = rf"{_ORIGIN}(\s*,\s*{_ORIGIN})*"
_ORIGINS_RULE: Final = (
    "must be http://HOST[:PORT] or https://HOST[:PORT], several separated by commas, each without a path; * is not one"
)

_SHARED_RULE: Final = "must be postgresql+psycopg://HOST/NAME, or none"


class ServerSettings(Section):
    """Where the service listens, and how it ends."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=8000, description="port to listen on; 0: any free one")
    drain_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=0.0,
        description="time after SIGTERM in which the service still listens, is not ready and refuses films, so that a "
        "load balancer notices",
    )
    shutdown_grace_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=30,
        description="time after SIGTERM and CXR_DRAIN_S in which requests in flight are answered and the process ends, "
        "whatever hangs",
    )
    stop_grace_s: Positive | None = Field(
        default=None,
        description="time after which whoever started the service kills it (docker-compose.yml: stop_grace_period); a "
        "start is refused where CXR_DRAIN_S and CXR_SHUTDOWN_GRACE_S take as long. Default: not checked",
    )

    @field_validator("port", mode="before")
    @classmethod
    def _pass_over_service_link(cls, value: Any) -> Any:
        """Beside a Service named `cxr`, Kubernetes sets CXR_PORT itself: that is not where to listen."""
        return cls.model_fields["port"].default if is_service_link(str(value)) else value

    @model_validator(mode="after")
    def _check_end(self) -> Self:
        takes_s = self.drain_s + self.shutdown_grace_s
        if self.stop_grace_s is not None and takes_s >= self.stop_grace_s:
            msg = (
                f"drain_s and shutdown_grace_s take {takes_s:g} s after SIGTERM, and the service is killed after "
                f"{self.stop_grace_s}; set CXR_STOP_GRACE_S to more than {takes_s:g}, or shorten them"
            )
            raise ValueError(msg)
        return self


class LogSettings(Section):
    """How events are logged."""

    model_config = SettingsConfigDict(env_prefix="CXR_LOG_")

    format: Literal["auto", "json", "console", "ecs"] = Field(
        default="auto",
        description="auto: readable lines on a terminal, JSON otherwise; ecs: JSON with the field names of the Elastic "
        "Common Schema",
    )


class SecuritySettings(Section):
    """Who may call, and how often."""

    api_keys_file: Path | None = Field(
        default=None, description="hashes of API keys, written by `python -m service keys`; read again when it changes"
    )
    rate_limit: Positive | None = Field(
        default=None, description="films a minute of each caller whose key sets no quota of its own; default: no limit"
    )
    metrics_need_key: bool = Field(default=False, description="/metrics requires a key with the scope `metrics`")
    allow_anonymous: bool | Literal["unless_keys"] = Field(
        default=False,
        description="callers without a key may predict, even from other machines; administration needs a key. "
        "unless_keys: as long as neither keys nor tokens are configured",
    )
    allowed_hosts: str | None = Field(
        default=None,
        min_length=1,
        description="names, separated by commas, under which callers without a key may ask; *.example.org: all names "
        "below, *: any name. Default: addresses and names that no site on the internet can have",
    )

    cors_origins: Annotated[str, matching(_ORIGINS, _ORIGINS_RULE)] | None = Field(
        default=None,
        description="origins, separated by commas, whose pages may ask from browsers and read the answers, e.g. "
        "https://viewer.hospital.example; default: pages of this service alone",
    )

    @property
    def origins(self) -> frozenset[str]:
        """Those of `cors_origins`, as browsers write them."""
        return frozenset(each.strip().lower() for each in (self.cors_origins or "").split(",")) - {""}

    def lets_anybody_in(self, *, knows_callers: bool) -> bool:
        """Whether callers without a key are answered, although others than this machine may reach the service.

        Args:
            knows_callers: whether keys or tokens are configured.
        """
        return not knows_callers if self.allow_anonymous == "unless_keys" else self.allow_anonymous


class SharingSettings(Section):
    """What several replicas share in addition to the spool."""

    model_config = SettingsConfigDict(env_prefix="CXR_SHARED_")

    state_url: Annotated[str, matching(r"none|postgresql(\+psycopg)?://.+", _SHARED_RULE)] | None = Field(
        default=None,
        repr=False,
        description="database (postgresql+psycopg://HOST/NAME) in which replicas share quotas and the answers kept for "
        "an Idempotency-Key; while it is away each replica acts alone. none: they share nothing. Default: that of "
        "CXR_SPOOL_URL where it is PostgreSQL and DICOMweb is on, otherwise none",
    )


class TokenSettings(Section):
    """Bearer tokens of an identity provider."""

    model_config = SettingsConfigDict(env_prefix="CXR_JWT_")

    keys_file: Path | None = Field(
        default=None, description="JWK set of the public keys that sign bearer tokens; read again when it changes"
    )
    issuer: str | None = Field(default=None, min_length=1, description="the only issuer of tokens accepted")
    audience: str | None = Field(default=None, min_length=1, description="the audience that tokens must name")

    @model_validator(mode="after")
    def _check_completeness(self) -> Self:
        values = (self.keys_file, self.issuer, self.audience)
        if any(values) and not all(values):
            msg = "jwt_keys_file, jwt_issuer and jwt_audience belong together: set all three, or none"
            raise ValueError(msg)
        return self


class AuditSettings(Section):
    """The audit log."""

    model_config = SettingsConfigDict(env_prefix="CXR_AUDIT_")

    file: Path | None = Field(
        default=None,
        description="audit log: a chain of JSON lines that records who asked what (docs/audit.md); default: no log",
    )
    on_failure: Literal["refuse", "continue"] = Field(
        default="refuse",
        description="when the audit log cannot be written, because the disk is full: refuse films with 503, or answer "
        "them and count the missing records",
    )
    sync: bool = Field(
        default=True,
        description="an answer waits until its record is on the disk; false: until the operating system has it, and a "
        "power cut may lose it",
    )
    max_bytes: Annotated[int, Field(ge=4096)] = Field(
        default=64 * 1024 * 1024, description="size at which the audit log becomes FILE.000001 … and a new one begins"
    )
    syslog: (
        Annotated[str, matching(r"/.+|udp://[^/@?#]+", "must be udp://HOST:PORT or the path of a socket")] | None
    ) = Field(
        default=None,
        repr=False,
        description="copy of each audit record: udp://HOST:PORT, or a local socket such as /dev/log",
    )

    atna: Annotated[str, matching(r"tls://[^/@?#\s]+:[0-9]+", "must be tls://HOST:PORT, usually port 6514")] | None = (
        Field(
            default=None,
            description="audit repository of the hospital: each record as an ATNA message (DICOM PS3.15 A.5) over "
            "syslog with TLS (RFC 5424, 5425); what is not sent yet is sent later, also after a restart",
        )
    )
    atna_ca_file: Path | None = Field(
        default=None, description="certificates that vouch for the repository; default: the public ones"
    )
    atna_cert_file: Path | None = Field(
        default=None, description="certificate chain (PEM) that it is shown; read again when it changes"
    )
    atna_key_file: Path | None = Field(default=None, description="private key (PEM) of this certificate")
    atna_source: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        default="CXR", description="AuditSourceID of the messages: how the repository knows this service"
    )
    atna_site: str | None = Field(default=None, description="AuditEnterpriseSiteID of the messages; default: none")

    @model_validator(mode="after")
    def _check_copy(self) -> Self:
        if self.syslog is not None and self.file is None:
            msg = "audit_syslog is a copy of the audit log, and there is none; set CXR_AUDIT_FILE too"
            raise ValueError(msg)
        if self.atna is not None and self.file is None:
            msg = "audit_atna sends the audit log on, and there is none; set CXR_AUDIT_FILE too"
            raise ValueError(msg)
        if (self.atna_cert_file is None) != (self.atna_key_file is None):
            msg = "audit_atna_cert_file and audit_atna_key_file belong together: set both, or none"
            raise ValueError(msg)
        return self
