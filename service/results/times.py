"""The dates and times of results: in one time zone, which each result states.

TimezoneOffsetFromUTC holds for every date and time of an object, and so for those of the study, which are passed on
from the film. Source: DICOM PS3.3 C.12.1.1.8.
"""

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final

from pydicom.dataset import Dataset

from imaging.dicom.attributes import text
from schemas.analysis import AnalysisRecord
from schemas.errors import InvalidImageError

_DATES: Final = (
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("ContentDate", "ContentTime"),
    ("PresentationCreationDate", "PresentationCreationTime"),
    ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
)


def set_times(result: Dataset, source: Dataset, record: AnalysisRecord) -> None:
    """Date a result by its analysis: in the film's time zone where its file states one, else in that of the record."""
    date_object(result, record.analysed_at, stated_offset(source) or record.utc_offset)


def date_object(result: Dataset, at: datetime, offset: str) -> None:
    """Date an object.

    Args:
        result: what is dated; of the attributes that date objects it has some.
        at: when it was made.
        offset: TimezoneOffsetFromUTC, e.g. `+0100`.
    """
    local = at.astimezone(_zone(offset))
    result.TimezoneOffsetFromUTC = offset
    for date, time in _DATES:
        if date in result:
            setattr(result, date, f"{local:%Y%m%d}")
            setattr(result, time, f"{local:%H%M%S.%f}")
    for equipment in result.get("ContributingEquipmentSequence", ()):  # highdicom names itself, by the clock
        equipment.ContributionDateTime = f"{local:%Y%m%d%H%M%S.%f}{offset}"


def stated_offset(source: Dataset) -> str:
    """TimezoneOffsetFromUTC of the film; empty where it states none that is one."""
    try:
        offset = text(source, "TimezoneOffsetFromUTC")
    except InvalidImageError:
        return ""
    return offset if re.fullmatch(r"[+-](0\d|1[0-4])[0-5]\d", offset) else ""


def machine_offset(source: Dataset, at: datetime, zone: tzinfo | None = None) -> str:
    """The offset of the machine's time zone when the study was made, and where it states no time, of the analysis.

    The study's date and time are in the result too, and one offset holds for all: that of a film of July which is
    analysed in December is the offset of July.

    Args:
        source: the film.
        at: when it was analysed.
        zone: of the machine; None: as the operating system knows it (`TZ`).
    """
    made = _study_time(source)
    local = at.astimezone(zone) if made is None else _localized(made, zone)
    return f"{local:%z}"[:5]


def _localized(naive: datetime, zone: tzinfo | None) -> datetime:
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)


def _study_time(source: Dataset) -> datetime | None:
    try:
        stated = text(source, "StudyDate") + text(source, "StudyTime")[:6]
        if not re.fullmatch(r"(19[7-9]|20\d)\d{5}(\d\d){0,3}", stated):
            return None
        return datetime.strptime(stated, "%Y%m%d%H%M%S"[: len(stated) - 2])  # noqa: DTZ007 it is local
    except (InvalidImageError, ValueError):
        return None


def _zone(offset: str) -> timezone:
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[3:])))
