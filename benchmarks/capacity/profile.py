"""When films arrive: the day of a hospital, and how much more its busiest hour has than an even one."""

from typing import Final

HOURLY: Final = (
    # Share of a day's films by the hour in which they arrive, from midnight: wards at 5 and 6, rounds and clinics from
    # 8 to 12, emergencies in the evening. An assumption; a site's own is in its cxr_http_requests_total.
    *(0.012, 0.010, 0.009, 0.009, 0.013, 0.033, 0.045, 0.052),
    *(0.078, 0.092, 0.094, 0.085, 0.066, 0.066, 0.066, 0.057),
    *(0.046, 0.036, 0.031, 0.027, 0.024, 0.020, 0.016, 0.013),
)
BURST: Final = 1.5
"""The busiest hour of the busiest weekday against that of an average day."""


def peak_films_s(films_a_day: float) -> float:
    """Films a second in the hour for which the service is built."""
    return films_a_day * max(HOURLY) * BURST / 3600
