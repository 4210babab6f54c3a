"""Settings by the names of their variables, as an operator knows them."""

from typing import Any

from service.settings import VARIABLES, Settings
from service.settings.environment import SECTIONS


def settings_of(**values: Any) -> Settings:
    """`settings_of(max_queue=2, pacs_url="http://pacs")` sets CXR_MAX_QUEUE and CXR_PACS_URL."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, field = VARIABLES[f"CXR_{name.upper()}"]
        sections.setdefault(section, {})[field] = value
    return Settings(**{name: SECTIONS[name](**fields) for name, fields in sections.items()})
