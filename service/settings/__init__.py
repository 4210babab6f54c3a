"""The settings of the service, in sections: read once from the environment, checked, frozen and passed down.

`compute`, `access`, `connections` and `exchange` declare the sections, `environment` reads them. A class or a function
takes its section, never the whole.
"""

from service.settings.access import AuditSettings, LogSettings, SecuritySettings, ServerSettings, TokenSettings
from service.settings.compute import (
    BackendChoice,
    DeadlineMs,
    DecodeSettings,
    EngineSettings,
    LimitSettings,
    ModelSettings,
)
from service.settings.connections import ConnectionSettings
from service.settings.environment import VARIABLES, VARIABLES_OF_OTHER_PROGRAMS, Settings, load_settings
from service.settings.exchange import DicomwebSettings, PacsSettings
from service.settings.section import PREFIX, Section

__all__ = [
    "PREFIX",
    "VARIABLES",
    "VARIABLES_OF_OTHER_PROGRAMS",
    "AuditSettings",
    "BackendChoice",
    "ConnectionSettings",
    "DeadlineMs",
    "DecodeSettings",
    "DicomwebSettings",
    "EngineSettings",
    "LimitSettings",
    "LogSettings",
    "ModelSettings",
    "PacsSettings",
    "Section",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "TokenSettings",
    "load_settings",
]
