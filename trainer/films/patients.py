"""How the patients of films are known, for the record of a run and in the words of its output."""

from pydantic import Field

from schemas.record import Record


class PatientSources(Record):
    """How many films have a patient who is known, and by what."""

    patients: dict[str, int] = Field(default={}, description="what names the patients: films")
    studies: dict[str, int] = Field(default={}, description="what names studies, where no patient is named: films")
    unknown: int = Field(default=0, description="films of whom nothing is known; each counts as one patient")
    hints: tuple[str, ...] = Field(default=(), description="what was ignored or is odd, in words")

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader must know, the gravest first."""
        known = (f"patients are known by {_listed(self.patients)}",) if self.patients else ()
        return (*self.doubts, *known, *self.hints)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What cannot be found, because patients are not known; empty where all of them are."""
        total = sum(self.patients.values()) + sum(self.studies.values()) + self.unknown
        lines = []
        if self.unknown:
            whose = "" if self.unknown == total else f" for {self.unknown:,} of {total:,} films"
            every = "every film counts as its own" if self.unknown == total else "each of them counts as its own"
            lines.append(
                f"patients unknown{whose}: {every}; leaks of patients cannot be found. Name the patients by --patients "
                "REGEX over the paths, or by a column of a CSV"
            )
        if self.studies:
            lines.append(
                f"patients are known by their studies alone for {sum(self.studies.values()):,} films, by "
                f"{_listed(self.studies)}: leaks of a patient with several studies cannot be found"
            )
        return tuple(lines)


def _listed(films: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count:,} films)" for name, count in films.items())
