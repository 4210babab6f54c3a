"""The base of every record that crosses a process."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """An immutable record: unknown fields are refused, numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())
