"""The base of every record that crosses a process."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


T = TypeVar("T")


class Record(BaseModel):
    """An immutable record: unknown fields are refused, numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def distinct(entries: tuple[T, ...]) -> tuple[T, ...]:
    """Validate that no entry is repeated; for `pydantic.field_validator`.

    Raises:
        ValueError: an entry stands more than once.
    """
    if len(set(entries)) != len(entries):
        msg = f"repeats an entry: {entries}; name each once"
        raise ValueError(msg)
    return entries
