"""What the columns of a table are: films, labels, splits, patients, attributes of films, or nothing to be kept."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import TrainingDataError
from trainer.films.film import AGE, LARGEST_NUMBER

Rows = Sequence[Mapping[str, str]]

_OWN = ("path", "label", "split")
_ALIASES = {
    **dict.fromkeys(("image", "imagepath", "imagefile", "imagefilename", "imageindex", "imagename"), "path"),
    **dict.fromkeys(("file", "filename", "filepath"), "path"),
    **dict.fromkeys(("labels", "findinglabels"), "label"),
}
"""What else such a column is called, in small letters and digits alone."""
_COMPUTED = ("sha256", "copy_of")
_PATIENT = re.compile(
    r"(?:(?:anon|anonymous|anonymi[sz]ed|deid|deidentified|pseudo|pseudonymi[sz]ed|dicom|original|hashed|internal|id)?"
    r"(?:patient|patienten|patientin|paciente|paziente|pasient|pat|pt|subject|subj|person|participant|proband|"
    r"individual|case)"
    r"(?:id|ids|idhash|no|nr|num|number|numbers|nummer|numero|key|code|index|idx|uid|uuid|identifier|hash|pseudonym)?"
    r"(?:anon|anonymi[sz]ed|deid|deidentified|dicom|original|hash|hashed)?"
    r"|pid|empi|empianon|mrn|medicalrecordnumber|medicalrecordno|hospitalnumber|hospitalno|nhsnumber)"
)
"""The name of a column in small letters and digits alone. `Patient Age` is none, nor is `patient_name`."""
_STUDY = re.compile(
    r"(?:study|studies|exam|exams|examination|imagingstudy|untersuchung|estudio|etude)"
    r"(?:instance)?(?:id|no|nr|num|number|uid|key|code|identifier)?(?:anon|deid)?|acc|accanon|stay|stayid|hadmid|encounterid"
)
"""The same of a column that distinguishes examinations."""
_IDENTIFYING = re.compile(
    r"(?:patients?|subject|person|paciente)?(?:name|firstname|lastname|surname|familyname|givenname|fullname|initials|"
    r"nachname|vorname|nom|prenom|nombre|apellidos?|birthdate|birthday|dateofbirth|dob|geburtsdatum|datenaissance|"
    r"fechanacimiento|accession|accessionnumber|accessionno|address|street|phone|telephone|email|ssn|"
    r"socialsecuritynumber|nationalid|insurancenumber)"
)


@dataclass(frozen=True, slots=True)
class PatientColumn:
    """The column that distinguishes patients, and those that are not kept."""

    name: str | None
    study: str | None
    """The column that distinguishes studies."""
    attributes: tuple[str, ...]
    """The columns that are attributes of films."""
    notes: tuple[str, ...]


def own_names(header: Sequence[str]) -> list[str]:
    """The header with `path`, `label` and `split` written so, however the table writes them."""
    names = [
        name.lower() if name.lower() in _OWN and name.lower() not in header else name for name in map(str.strip, header)
    ]
    for own in ("path", "label"):
        others = [place for place, name in enumerate(names) if _ALIASES.get(_plain(name)) == own]
        if own not in names and len(others) == 1:
            names[others[0]] = own
    return names


def refuse_identifying(header: Iterable[str], table: Path) -> None:
    """Refuse columns that identify people.

    Raises:
        TrainingDataError: there are some.
    """
    if people := [name for name in header if _IDENTIFYING.fullmatch(_plain(name))]:
        msg = (
            f"{table} has the columns {', '.join(people)}, which may identify people and would be written into the "
            "run; call the one that distinguishes patients `patient`, which is not written, and remove the others"
        )
        raise TrainingDataError(msg)


def find_patients(header: Sequence[str], rows: Rows, table: Path, wanted: str | None) -> PatientColumn:
    """Choose the column of the patients, and the columns that are kept.

    Args:
        header: names of the columns.
        rows: cells by column.
        table: for messages.
        wanted: a column that the user names; another text is not a column.

    Raises:
        TrainingDataError: several columns may be meant, and they distinguish other patients.
    """
    candidates = [name for name in header if _PATIENT.fullmatch(_plain(name))]
    chosen = (
        wanted if wanted in header else next(iter(sorted(candidates, key=lambda name: name.lower() != "patient")), None)
    )
    if chosen is not None and chosen != wanted and chosen.lower() != "patient":
        for other in candidates:
            if not _alike(rows, chosen, other):
                msg = (
                    f"{table} has the columns {', '.join(candidates)}, which distinguish different patients; name one "
                    f"by --patients {chosen}"
                )
                raise TrainingDataError(msg)
    studies = [name for name in header if _STUDY.fullmatch(_plain(name)) and name != chosen]
    others = [name for name in header if name not in (*_OWN, *_COMPUTED, *candidates, *studies, chosen)]
    manifold = [name for name in others if name.lower() != AGE and len({row[name] for row in rows}) > LARGEST_NUMBER]
    notes = []
    if left := [name for name in candidates if name != chosen]:
        notes.append(f"not kept, because they name patients: the columns {', '.join(left)}")
    if manifold:
        notes.append(
            f"not kept, because more than {LARGEST_NUMBER} values make no groups of films and may identify people: "
            f"the columns {', '.join(manifold)} (ages belong in a column `{AGE}`)"
        )
    if studies:
        notes.append(f"not kept, because they name examinations: the columns {', '.join(studies)}")
    return PatientColumn(
        chosen, next(iter(studies), None), tuple(name for name in others if name not in manifold), tuple(notes)
    )


def _alike(rows: Rows, one: str, other: str) -> bool:
    """Whether two columns divide the films in the same way."""
    pairs = {(row[one], row[other]) for row in rows}
    return len(pairs) == len({left for left, _ in pairs}) == len({right for _, right in pairs})


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
