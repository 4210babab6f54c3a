"""The time of the database: replicas' own clocks may differ by more than a quota lasts."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Float, bindparam, cast, extract, func

Clock = Callable[[], float]


def time_of_database(clock: Clock | None) -> ColumnElement[Any]:
    """Seconds since 1970 as an expression; `clock` replaces the database's own, for tests."""
    if clock is None:
        return cast(extract("epoch", func.clock_timestamp()), Float(53))
    return cast(bindparam(None, clock()), Float(53))
