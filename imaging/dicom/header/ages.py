"""Ages: as DICOM writes them, or counted from the day of birth to that of the study."""

import contextlib
import re
from datetime import date

_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}  # PS3.5 6.2, VR AS: 018M is 18 months
OLDEST_YEARS = 130
_LONGEST_YEAR_DAYS = 366


def age_years(age: str) -> float | None:
    """The years of an Age String, e.g. 030Y, 018M, 012W or 005D; None where it is none, or of no living person.

    Source: DICOM PS3.5 6.2, VR AS.
    """
    matched = re.fullmatch(r"([0-9]{1,3})([YMWD])", age)
    if matched is None:
        return None
    years = int(matched[1]) * _YEARS[matched[2]]
    return years if years <= OLDEST_YEARS else None


def age_between(birth: str, study: str) -> float | None:
    """The years from one DICOM date to another; None where one is no date, or the age is of no living person.

    A patient is exactly n years old on a birthday, whatever the leap years: limits of ages are whole years.

    Source: DICOM PS3.5 6.2, VR DA; the form with dots is that of ACR-NEMA.
    """
    born, made = _date(birth), _date(study)
    if born is None or made is None or made < born:
        return None
    whole = made.year - born.year - ((made.month, made.day) < (born.month, born.day))
    if whole > OLDEST_YEARS:
        return None
    return whole + (made - _birthday(born, born.year + whole)).days / _LONGEST_YEAR_DAYS


def _birthday(born: date, year: int) -> date:
    try:
        return born.replace(year=year)
    except ValueError:  # of 29 February: the first of March, as the tuples of months and days compare
        return date(year, 3, 1)


def _date(text: str) -> date | None:
    with contextlib.suppress(ValueError):
        return date.fromisoformat(re.sub(r"^(\d{4})\.(\d\d)\.(\d\d)$", r"\1\2\3", text.strip()))
    return None
