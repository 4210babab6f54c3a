"""What a section of the settings is: fields that are environment variables of one prefix."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "CXR_"

Positive = Annotated[int, Field(ge=1)]


def matching(pattern: str, rule: str) -> AfterValidator:
    """A text of this pattern; `rule` is what a refusal says, for nobody should have to read a pattern."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(rule)
        return value

    return AfterValidator(check)


class Section(BaseSettings):
    """Settings that belong together; a field is the variable of the section's prefix and its name, or of its alias.

    An empty or blank variable is one that nobody set: compose files and `.env` files pass such on for what they leave
    out. A field that is left out of `repr` may hold a secret: its value stands in no message either.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_blanks(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Blanks around a value, such as the CR of a file that was edited on Windows, belong to no setting."""
        bare = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in bare.items() if value != ""}

    @classmethod
    def variables(cls) -> Mapping[str, str]:
        """The name of the environment variable of each field."""
        prefix = cls.model_config["env_prefix"]
        return {name: str(field.validation_alias or prefix + name.upper()) for name, field in cls.model_fields.items()}
