"""An entry of the file of destinations: what every kind has, and the rules by which it gets a film."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imaging.dicom.attributes import text
from schemas.errors import InvalidImageError
from schemas.model.calibration import Decision
from schemas.record import Record
from service.destinations.destination import FinishedFilm

NAME: Final = r"^[a-z0-9][a-z0-9-]{0,31}$"
Words = Annotated[
    tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], ...], Field(max_length=200)
]


class Rules(Record):
    """Which films a destination gets: those that fit every rule; a rule that is left out fits every film."""

    decisions: tuple[Decision, ...] = Field(
        default=("positive", "negative", "abstain"), description="positive, negative, abstain"
    )
    stations: Words = Field(default=(), description="values of StationName (0008,1010), in any case")
    body_parts: Words = Field(default=(), description="values of BodyPartExamined (0018,0015), in any case")
    institutions: Words = Field(default=(), description="values of InstitutionName (0008,0080), in any case")

    def fit(self, film: FinishedFilm) -> bool:
        """Whether a film is for the destination."""
        attributes = {
            "StationName": self.stations,
            "BodyPartExamined": self.body_parts,
            "InstitutionName": self.institutions,
        }
        return film.record.prediction.decision in self.decisions and all(
            not allowed or _stated(film, name) in {value.casefold() for value in allowed}
            for name, allowed in attributes.items()
        )


class NotificationRules(Rules):
    """The rules of a destination that notifies people: without others, of positive films alone."""

    decisions: tuple[Decision, ...] = Field(default=("positive",), description="positive, negative, abstain")


class Entry(Record):
    """What every destination has; each kind adds its own fields."""

    name: str = Field(pattern=NAME, description="1 to 32 of a-z, 0-9 and -; in metrics, logs and /results")
    kind: str
    rules: Rules = Rules()
    at_once: int = Field(default=2, ge=1, le=16, description="parcels that are sent at the same time")
    max_attempts: int = Field(
        default=300, ge=1, description="attempts before a parcel is a dead letter; 300 are about 19 hours"
    )
    timeout_s: float = Field(default=20, gt=0, le=60, description="time for one answer")


def _stated(film: FinishedFilm, attribute: str) -> str:
    try:
        return text(film.source, attribute).strip().casefold()
    except InvalidImageError:  # it cannot be read: the film fits no rule that asks for it
        return ""
