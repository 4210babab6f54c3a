"""A measured figure with its interval."""

from typing import Self

from pydantic import model_validator

from schemas.record import Record


class Estimate(Record):
    """A figure with its 95 % confidence interval, `low` <= `value` <= `high`."""

    value: float
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            msg = f"an interval encloses its value: {self.low} <= {self.value} <= {self.high} does not hold"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        """The figure as the reports print it: `0.962 [0.949, 0.973]`."""
        return f"{self:.3f}"

    def __format__(self, form: str) -> str:
        """The figure and its interval, each in the form of a number: `f"{estimate:.1%}"`."""
        if not form:
            return str(self)
        return f"{format(self.value, form)} [{format(self.low, form)}, {format(self.high, form)}]"
