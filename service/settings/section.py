"""What a section of the settings is: fields that are environment variables of one prefix."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "CXR_"

Positive = Annotated[int, Field(ge=1)]


class Section(BaseSettings):
    """Settings that belong together; a field is the variable of the section's prefix and its name, or of its alias.

    A field that is left out of `repr` may hold a secret: its value stands in no message either.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=()
    )

    @classmethod
    def variables(cls) -> Mapping[str, str]:
        """The name of the environment variable of each field."""
        prefix = cls.model_config["env_prefix"]
        return {name: str(field.validation_alias or prefix + name.upper()) for name, field in cls.model_fields.items()}
