"""The settings of the service, in sections: read once from the environment, checked, frozen and passed down.

`compute`, `access`, `connections`, `evidence`, `trial`, `exchange`, `dimse` and `worklist` declare the sections,
`environment` reads them, `injected` knows the variables that others set with our prefix, and `rules` says in words what
a value must be. A class or a function takes its section, never the whole.
"""

from service.settings.access import AuditSettings, LogSettings, SecuritySettings, ServerSettings, TokenSettings
from service.settings.compute import (
    BackendChoice,
    DeadlineMs,
    DecodeSettings,
    EngineSettings,
    LimitSettings,
)
from service.settings.connections import ConnectionSettings
from service.settings.dimse import DimseSettings, Peer
from service.settings.environment import VARIABLES, Settings, load_settings
from service.settings.evidence import EvidenceSettings
from service.settings.exchange import DicomwebSettings, JobSettings, PacsSettings, SurveillanceSettings
from service.settings.injected import VARIABLES_OF_OTHER_PROGRAMS, injected_variables
from service.settings.models import ModelSettings, StoreSettings
from service.settings.section import PREFIX, Section
from service.settings.trial import MODE_HEADER, TrialSettings
from service.settings.worklist import CodedName, WorklistSettings

__all__ = [
    "MODE_HEADER",
    "PREFIX",
    "VARIABLES",
    "VARIABLES_OF_OTHER_PROGRAMS",
    "AuditSettings",
    "BackendChoice",
    "CodedName",
    "ConnectionSettings",
    "DeadlineMs",
    "DecodeSettings",
    "DicomwebSettings",
    "DimseSettings",
    "EngineSettings",
    "EvidenceSettings",
    "JobSettings",
    "LimitSettings",
    "LogSettings",
    "ModelSettings",
    "PacsSettings",
    "Peer",
    "Section",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "SurveillanceSettings",
    "TokenSettings",
    "TrialSettings",
    "WorklistSettings",
    "injected_variables",
    "load_settings",
]
