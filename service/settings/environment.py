"""The whole of the settings, and how they are read from the environment variables of the process."""

import difflib
import os
from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.errors import SettingsError
from service.settings.access import AuditSettings, LogSettings, SecuritySettings, ServerSettings, TokenSettings
from service.settings.compute import DecodeSettings, EngineSettings, LimitSettings
from service.settings.connections import ConnectionSettings
from service.settings.dimse import DimseSettings
from service.settings.evidence import EvidenceSettings
from service.settings.exchange import DicomwebSettings, JobSettings, PacsSettings, SurveillanceSettings
from service.settings.injected import VARIABLES_OF_OTHER_PROGRAMS, injected_variables
from service.settings.loopback import is_loopback
from service.settings.models import ModelSettings, StoreSettings
from service.settings.rules import rule_of, shown
from service.settings.section import PREFIX, Section
from service.settings.trial import TrialSettings
from service.settings.worklist import WorklistSettings


class Settings(BaseModel):
    """Everything that an operator may choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: ServerSettings = Field(default_factory=ServerSettings)
    connections: ConnectionSettings = Field(default_factory=ConnectionSettings)
    logs: LogSettings = Field(default_factory=LogSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    decode: DecodeSettings = Field(default_factory=DecodeSettings)
    security: SecuritySettings = Field(default_factory=SecuritySettings)
    tokens: TokenSettings = Field(default_factory=TokenSettings)
    audit: AuditSettings = Field(default_factory=AuditSettings)
    dicomweb: DicomwebSettings = Field(default_factory=DicomwebSettings)
    pacs: PacsSettings = Field(default_factory=PacsSettings)
    jobs: JobSettings = Field(default_factory=JobSettings)
    trial: TrialSettings = Field(default_factory=TrialSettings)
    surveillance: SurveillanceSettings = Field(default_factory=SurveillanceSettings)
    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)
    dimse: DimseSettings = Field(default_factory=DimseSettings)
    worklist: WorklistSettings = Field(default_factory=WorklistSettings)

    @model_validator(mode="after")
    def _check_sections(self) -> Self:
        """What one section demands of another."""
        if self.pacs.is_configured and not self.dicomweb.enabled:
            name = "pacs_dimse" if self.pacs.url is None else "pacs_url"
            msg = f"{name} names a PACS, but DICOMweb is off and there will be no results; set CXR_DICOMWEB=true too"
            raise ValueError(msg)
        if self.trial.challenger is not None and not self.dicomweb.enabled:
            msg = "challenger names a bundle that reads the films of DICOMweb, which is off; set CXR_DICOMWEB=true too"
            raise ValueError(msg)
        if self.trial.challenger is not None and self.trial.challenger in (self.models.model, *self.models.models):
            msg = (
                f"challenger {self.trial.challenger} is what CXR_MODEL or CXR_MODELS names; name another version as "
                "CXR_CHALLENGER, or leave it out"
            )
            raise ValueError(msg)
        if self.surveillance.stop_limits is not None and not self.dicomweb.enabled:
            msg = (
                "stop_limits names limits, but DICOMweb is off and nothing is remembered that could cross them; set "
                "CXR_DICOMWEB=true too"
            )
            raise ValueError(msg)
        limited = {*self.engine.concurrent_runs_by_model, *self.engine.max_batch_size_by_model}
        if self.models.names and (unknown := sorted(limited - set(self.models.names))):
            msg = (
                f"a limit is for {unknown[0]}, and {', '.join(self.models.names)} serve; correct "
                "CXR_CONCURRENT_RUNS_BY_MODEL or CXR_MAX_BATCH_SIZE_BY_MODEL"
            )
            raise ValueError(msg)
        let_in = self.knows_callers or self.security.lets_anybody_in(knows_callers=False)
        if not (let_in or is_loopback(self.server.host)):
            host = shown(self.server.host) or "of CXR_HOST"
            msg = (
                f"host {host} is reachable from other machines and there are no keys; bind to 127.0.0.1, "
                "set CXR_API_KEYS_FILE, or CXR_ALLOW_ANONYMOUS=true where a gateway in front checks every caller"
            )
            raise ValueError(msg)
        return self

    @property
    def knows_callers(self) -> bool:
        """Whether keys or tokens are configured."""
        return self.security.api_keys_file is not None or self.tokens.keys_file is not None


SECTIONS: Final[Mapping[str, type[Section]]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
VARIABLES: Final[Mapping[str, tuple[str, str]]] = {
    variable: (name, field) for name, section in SECTIONS.items() for field, variable in section.variables().items()
}
"""Every environment variable with its section and its field there."""


def load_settings() -> Settings:
    """Read the settings from the process's environment.

    Raises:
        SettingsError: an unknown `CXR_` variable, a value out of its range, or two that contradict each other.
    """
    _refuse_unknown(os.environ)
    sections: dict[str, Any] = {}
    faults: list[str] = []
    for name, section in SECTIONS.items():
        try:
            sections[name] = section()
        except ValidationError as error:
            faults += [_sentence(section, entry) for entry in error.errors(include_url=False)]
    if faults:
        raise SettingsError("; ".join(faults))
    try:
        return Settings(**sections)
    except ValidationError as error:
        raise SettingsError(
            "; ".join(_sentence(Section, entry) for entry in error.errors(include_url=False))
        ) from error


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = VARIABLES.keys() | VARIABLES_OF_OTHER_PROGRAMS
    ours: dict[str, str] = {}
    for name in sorted(environment.keys() - injected_variables(environment)):
        variable = name.upper()
        if not variable.startswith(PREFIX):
            continue
        if variable not in known:
            near = difflib.get_close_matches(variable, sorted(known), n=1, cutoff=0)[0]
            msg = f"{name} is not a setting of this program; the nearest name is {near}; correct it or remove it"
            raise SettingsError(msg)
        if variable in ours and environment[ours[variable]] != environment[name]:
            msg = f"{ours[variable]} and {name} are one setting with two values; remove one of them"
            raise SettingsError(msg)
        ours[variable] = name


def _sentence(section: type[Section], entry: Mapping[str, Any]) -> str:
    own_rule = str(entry["msg"]).removeprefix("Value error, ")
    if not entry["loc"]:
        return own_rule
    place = str(entry["loc"][0])
    fields = {place, *(name for name, variable in section.variables().items() if variable == place)}
    (name,) = fields & section.model_fields.keys()
    field = section.model_fields[name]
    variable = section.variables()[name]
    rule = own_rule if entry["type"] == "value_error" else rule_of(field)
    value = shown(entry["input"]) if field.repr else None
    if value is None:
        return f"{variable}: {rule}; its value is not shown here, as it may hold a password"
    return f"{variable}={value!r}: {rule}"
