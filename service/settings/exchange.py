"""Settings of the exchange with a PACS: films that arrive by DICOMweb, and where their results go."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from schemas.delivery import DEFAULT_POLICY, OBJECTS, OUTCOMES, DeliveryPolicy, ResultObject
from service.settings.dimse import OnePeer
from service.settings.section import Positive, Section, matching

_URL_RULE: Final = (
    "must be http://HOST/PATH or https://HOST/PATH, without a login in it (CXR_PACS_LOGIN_FILE) and without ? and #"
)
_NOTHING: Final = "nothing"
_DELIVERY_RULE: Final = (
    f"must be OUTCOME=OBJECT+OBJECT, separated by commas, with outcomes of {', '.join(OUTCOMES)}, each at most once, "
    f"and objects of {', '.join(OBJECTS)}, not both note and report, or {_NOTHING}"
)


def _delivery(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [[part.strip() for part in entry.split("=")] for entry in value.split(",")]
    objects = {pair[0]: {each.strip() for each in pair[-1].split("+")} - {_NOTHING} for pair in pairs}
    for outcome, chosen in objects.items():
        if outcome not in OUTCOMES or not chosen <= set(OBJECTS) or {"note", "report"} <= chosen:
            raise ValueError(_DELIVERY_RULE)
    if len(objects) < len(pairs) or any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004 a pair
        raise ValueError(_DELIVERY_RULE)
    return objects


class DicomwebSettings(Section):
    """Films that arrive by DICOMweb, and the spool in which they wait."""

    enabled: bool = Field(
        default=False,
        validation_alias="CXR_DICOMWEB",
        description="accept films by DICOMweb at /dicomweb/studies and keep them in the spool",
    )
    spool_url: str = Field(
        default="sqlite:///spool/spool.db",
        repr=False,
        description="database of the spool as a SQLAlchemy address: sqlite:///FILE for one process, "
        "postgresql+psycopg://HOST/NAME for several (the password belongs into PGPASSFILE)",
    )
    spool_capacity: Positive = Field(
        default=1000, description="films in the spool that still hold bytes; beyond it 503 and the sender keeps them"
    )
    results_retention_h: Annotated[float, Field(ge=0)] = Field(
        default=24, description="hours that results and dead letters are kept; a film's bytes go with its analysis"
    )
    study_quiet_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=120,
        description="seconds without a new film after which a study of several films gets a summary; 0: none gets one",
    )
    destinations: Path | None = Field(
        default=None,
        description="file (YAML) of destinations that get results and notifications in addition to the PACS "
        "(docs/destinations.md); default: none",
    )

    @model_validator(mode="after")
    def _check_destinations(self) -> Self:
        if self.destinations is not None and not self.enabled:
            msg = "destinations get results of DICOMweb, which is off; set CXR_DICOMWEB=true too"
            raise ValueError(msg)
        return self


class JobSettings(Section):
    """Large backfills: films that are read while nothing else is to be done."""

    model_config = SettingsConfigDict(env_prefix="CXR_JOBS_")

    folder: Path = Field(
        default=Path("spool/jobs"), description="where archives of POST /jobs wait until their films are read"
    )
    archive_bytes: Positive = Field(
        default=10 * 1024**3, description="largest archive (ZIP or TAR) of POST /jobs; beyond it 413"
    )
    max_films: Positive = Field(
        default=100_000, description="films of one job; a query ends there, a longer list or archive is 413"
    )
    retention_h: Annotated[float, Field(ge=0)] = Field(
        default=168, description="hours that a job and the list of its films are kept after its end"
    )


class SurveillanceSettings(Section):
    """The answers against the truth: what stops the service, and how final reports are understood."""

    stop_limits: Path | None = Field(
        default=None,
        description="file of pre-registered limits: below one of them the service suspends its answers "
        "(docs/surveillance.md); default: nothing stops it",
    )
    report_rules: Path | None = Field(
        default=None,
        description="file of the codes and phrases by which a final report states that a finding is present or absent; "
        "default: final reports are refused",
    )


class PacsSettings(Section):
    """Where results go."""

    model_config = SettingsConfigDict(env_prefix="CXR_PACS_")

    url: Annotated[str, matching(r"https?://[^@?#]+", _URL_RULE)] | None = Field(
        default=None,
        repr=False,
        description="DICOMweb root of the PACS that receives the results; default: GET /results alone offers them",
    )
    dimse: OnePeer | None = Field(
        default=None,
        description="instead of CXR_PACS_URL: AETITLE@HOST:PORT of an archive that receives the results by C-STORE",
    )
    commit: bool = Field(
        default=False,
        description="with CXR_PACS_DIMSE: results count as delivered once the archive has committed to their storage; "
        "its answer may come to `python -m service dimse`",
    )
    tls: bool = Field(default=False, description="with CXR_PACS_DIMSE: speak DICOM TLS to the archive")
    tls_cert_file: Path | None = Field(
        default=None,
        description="with https in CXR_PACS_URL, or with CXR_PACS_TLS: certificate chain (PEM) that the service shows "
        "to the archive (mutual TLS); for https read again when it changes",
    )
    tls_key_file: Path | None = Field(default=None, description="private key (PEM) of this certificate")
    token_file: Path | None = Field(
        default=None, description="file with the bearer token for the PACS; read at every delivery"
    )
    login_file: Path | None = Field(
        default=None, description="file with user:password for the PACS; read at every delivery"
    )
    oauth_token_url: (
        Annotated[
            str,
            matching(r"https?://[^@?#\s]+", "must be the http(s) address of a token endpoint, without a login in it"),
        ]
        | None
    ) = Field(
        default=None,
        description="token endpoint (OAuth 2 client credentials): the PACS gets bearer tokens of this server, "
        "which are kept until shortly before they end, and renewed where the PACS refuses one",
    )
    oauth_client_id: str | None = Field(default=None, min_length=1, description="name of the service at this server")
    oauth_secret_file: Path | None = Field(
        default=None, description="file with the client's secret; read whenever a token is asked for"
    )
    oauth_key_file: Path | None = Field(
        default=None,
        description="instead of a secret: private key (PEM) that signs assertions (private_key_jwt, RFC 7523)",
    )
    oauth_key_id: str | None = Field(default=None, description="`kid` of this key, where the server wants one")
    oauth_algorithm: Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"] = Field(
        default="RS256", description="by which this key signs"
    )
    oauth_scope: str | None = Field(default=None, description="scope that is asked for; default: the server's own")
    ca_file: Path | None = Field(
        default=None, description="certificates that vouch for the PACS; default: the public ones"
    )
    timeout_s: Annotated[int, Field(ge=1, le=30)] = Field(default=20, description="time for one answer of the PACS")
    max_attempts: Positive = Field(
        default=300, description="deliveries tried before a result is a dead letter; 300 are about 19 hours"
    )

    delivery: Annotated[Mapping[str, frozenset[ResultObject]], NoDecode, BeforeValidator(_delivery)] = Field(
        default={},
        validation_alias="CXR_DELIVERY",
        description="which objects the PACS receives, by decision or by the reason for none, as "
        "OUTCOME=OBJECT+OBJECT separated by commas; default: positive=report+picture+outline,negative=report,"
        "abstain=note,outside_population=note,suspended=note, of which those named here are replaced",
    )

    @property
    def policy(self) -> DeliveryPolicy:
        """The objects of every outcome."""
        return DEFAULT_POLICY.with_changes(self.delivery)

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        ways = (self.token_file, self.login_file, self.oauth_token_url)
        if sum(way is not None for way in ways) > 1:
            msg = "pacs_token_file, pacs_login_file and pacs_oauth_token_url are ways to the same PACS; set one of them"
            raise ValueError(msg)
        proofs = (self.oauth_secret_file, self.oauth_key_file)
        named = self.oauth_client_id is not None and sum(proof is not None for proof in proofs) == 1
        if self.oauth_token_url is not None and not named:
            msg = (
                "pacs_oauth_token_url needs CXR_PACS_OAUTH_CLIENT_ID, and CXR_PACS_OAUTH_SECRET_FILE or "
                "CXR_PACS_OAUTH_KEY_FILE; set them"
            )
            raise ValueError(msg)
        if self.oauth_token_url is None and any((self.oauth_client_id, *proofs)):
            msg = "pacs_oauth settings belong to a token endpoint; set CXR_PACS_OAUTH_TOKEN_URL too"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _check_way(self) -> Self:
        if self.url is not None and self.dimse is not None:
            msg = "pacs_url and pacs_dimse are two ways to a PACS; set one of them"
            raise ValueError(msg)
        if self.dimse is None and (self.commit or self.tls):
            msg = "pacs_commit and pacs_tls belong to an archive that speaks DIMSE; set CXR_PACS_DIMSE too"
            raise ValueError(msg)
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            msg = "pacs_tls_cert_file and pacs_tls_key_file belong together: set both, or none"
            raise ValueError(msg)
        return self

    @property
    def is_configured(self) -> bool:
        """Whether results go anywhere."""
        return self.url is not None or self.dimse is not None
