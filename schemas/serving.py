"""The bodies of the HTTP interface about the service itself: its bundles, what it reads, and whether it answers."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.api import ExplainBackend, Mode
from schemas.model.calibration import Activation
from schemas.model.guide import Trait
from schemas.model.precision import Precision
from schemas.population import Population
from schemas.record import Record, Sha256
from schemas.site_profile import SiteProfile
from schemas.tuning import EngineChoice, TuningProfile


class KnownModel(Record):
    """One bundle of the models directory."""

    name: str
    version: str
    serving: bool
    precision: Precision | None = Field(description="at which it serves; null: it does not serve")
    refused: str | None = Field(description="why it failed its checks; null: it did not fail")
    explain_backend: ExplainBackend | None = Field(
        description="what draws the heat maps of the bundle that serves; null: nothing can, or another bundle serves"
    )
    activation: Activation | None = Field(
        default=None, description="sigmoid: each finding is judged by itself; null: it does not serve"
    )
    findings: tuple[str, ...] | None = Field(default=None, description="what it looks for; null: it does not serve")
    population: Population | None = Field(
        default=None, description="whose films it answers; null: it does not serve, or states none"
    )
    traits: tuple[Trait, ...] | None = Field(
        default=None,
        description="of its guide: cut-off, share passed, shares refused; null: it does not serve, or has no guide",
    )
    engine: EngineChoice | None = Field(default=None, description="how its network runs; null: it does not serve")
    tuning: TuningProfile | None = Field(
        default=None,
        description="what `python -m service tune` measured of it here; null: it does not serve, or no profile fits",
    )
    site: SiteProfile | None = Field(
        default=None, description="the site's own operating point; null: it does not serve, or answers at its own"
    )


class RoutedBundle(Record):
    """One of the bundles that ought to serve; its place in the list is its preference."""

    name: str | None = Field(description="null: the file `current` decides, and names none that could be loaded")
    version: str | None = Field(description="of the one that serves; null: none does, and its films are not answered")
    population: Population | None = Field(description="whose films it answers; null: not stated, or none serves")
    guided: bool = Field(description="whether it sees by itself which films are for it")
    fault: str | None = Field(description="why it does not answer; null: it does")


class StoreState(Record):
    """The registry or object store that bundles come from."""

    address: str = Field(description="as CXR_MODELS_DIR names it")
    revision: Sha256 | None = Field(description="of what is served; of oci:// the digest; null: nothing came yet")
    answered_at: datetime | None = Field(description="when the store answered last; null: not since the start")
    fault: str | None = Field(description="why its last answer is of no use: bundles come from the cache; null: it is")


class ModelList(Record):
    """The answer of `GET /models`."""

    models: tuple[KnownModel, ...]
    routing: tuple[RoutedBundle, ...] = Field(
        default=(), description="the bundles that serve side by side, the preferred one first; docs/several-bundles.md"
    )
    store: StoreState | None = Field(default=None, description="where bundles come from; null: from a folder")
    software_version: str = Field(description="version of the service itself; each bundle has its own")


class TransferSyntaxFacts(Record):
    """One way in which a DICOM file may be written."""

    name: str = Field(description="the name in the standard")
    uid: str
    lossless: bool = Field(description="whether the syntax itself promises the stored pixel values")


class CapabilityLimits(Record):
    """Limits of one request and one film."""

    max_body_bytes: int = Field(description="largest request body")
    max_pixels: int = Field(description="largest film, rows times columns")
    max_batch_items: int = Field(description="films in one request to /predict/batch")
    max_queue: int = Field(description="films admitted and not yet answered; beyond it 503")
    deadline_ms: int = Field(description="time for an answer where the caller sends no X-Deadline-Ms")
    decode_timeout_s: int = Field(description="time to decode one compressed DICOM film")


class Capabilities(Record):
    """The answer of `GET /capabilities`: which films are read."""

    media_types: tuple[str, ...] = Field(description="what a film may be; the content decides, not the declared type")
    modalities: tuple[str, ...] = Field(description="Modality of a DICOM file that is read; any other is 422")
    photometric_interpretations: tuple[str, ...] = Field(
        description="PhotometricInterpretation of a DICOM file that is read; colour becomes its luminance"
    )
    transfer_syntaxes: tuple[TransferSyntaxFacts, ...] = Field(
        description="of DICOM files that are read; any other is 415"
    )
    stored_sop_classes: tuple[str, ...] = Field(
        description="of instances that POST /dicomweb/studies stores; none where DICOMweb is switched off"
    )
    limits: CapabilityLimits
    sample: str | None = Field(
        description="address of a public film to try the service with; null where pydicom-data is not installed"
    )


class Health(Record):
    """The answer of `GET /livez` and `POST /admin/drain`."""

    status: Literal["alive", "ready", "draining"]


class Readiness(Health):
    """The answer of `GET /readyz`."""

    mode: Mode = Field(default="active", description="silent: films are analysed, and nothing is delivered or answered")
    suspended: str | None = Field(
        default=None, description="why the stop rule withholds all answers, which are `suspended`; null: it does not"
    )
    missing: dict[str, str] = Field(
        default={}, description="by name: why a bundle does not answer, while others do; its films are not answered"
    )
