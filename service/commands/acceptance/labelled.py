"""A folder of films and the labels of some of them: found, read with the bundle that would serve, and observed."""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread

from imaging.dicom.attributes import text
from imaging.dicom.header.ages import age_years
from imaging.limits import parsing
from schemas.acceptance import SubgroupAttribute
from schemas.errors import CxrError, EvidenceError, SettingsError
from service.acceptance.labels import Label, Labels
from service.acceptance.observed import Observed, observe
from service.acceptance.report import Examination
from service.acceptance.subgroups import group_of
from service.commands.local import LocalReader
from service.models.loading import LoadedBundle

_KEYWORDS: Final = (
    "SOPInstanceUID",
    "PatientAge",
    "PatientSex",
    "ViewPosition",
    "ManufacturerModelName",
    "StationName",
)
_PREAMBLE: Final = 128


def single_bundle(reader: LocalReader) -> LoadedBundle:
    """The one bundle that serves.

    Raises:
        SettingsError: several do; evidence is about one.
    """
    bundles = reader.bundles
    if len(bundles) != 1:
        msg = f"{len(bundles)} bundles serve, and evidence is about one; name it in CXR_MODEL and leave CXR_MODELS out"
        raise SettingsError(msg)
    return bundles[0]


def chosen_finding(loaded: LoadedBundle, name: str | None) -> str:
    """The finding that is judged.

    Raises:
        SettingsError: the bundle does not look for it, or looks for several and none is named.
    """
    findings = loaded.manifest.findings
    if name is None and len(findings) == 1:
        return findings[0]
    if name not in findings:
        msg = f"--finding {name or 'is missing'}: the bundle looks for {', '.join(findings)}; name one of these"
        raise SettingsError(msg)
    return name


async def examine(reader: LocalReader, folder: Path, labels: Labels, finding: str) -> Examination:
    """Read each labelled film of the folder as the service would.

    Raises:
        EvidenceError: the folder cannot be read, or two lines name one film.
    """
    start = time.perf_counter()
    films = _Folder(folder)
    found, missing = films.labelled(labels)
    manifest = single_bundle(reader).manifest
    observed: list[Observed] = []
    unreadable: Counter[str] = Counter()
    for path, label in _with_progress(list(found.items())):
        try:
            content = path.read_bytes()
            reading = await reader.read(content)
        except (CxrError, OSError) as error:
            unreadable[error.code if isinstance(error, CxrError) else "unreadable"] += 1
            continue
        answer: dict[str, Any] = observe(manifest, reading.prediction, reading.result.outputs.logits[0], finding)
        digest = sha256(content).hexdigest()
        groups = {**films.header_groups(path), **_stated_groups(label)}
        observed.append(Observed(sha256=digest, truth=label.present, groups=groups, **answer))
    for code, count in unreadable.items():
        print(f"{count} labelled films cannot be read: {code}", file=sys.stderr)
    return Examination(
        films=observed,
        labels=labels,
        unreadable=unreadable.total(),
        missing=missing,
        unlabelled=len(films.files) - len(found),
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True, slots=True)
class _Folder:
    """The files of a folder, by name and, once one asks for it, by SOP Instance UID."""

    folder: Path

    @property
    def files(self) -> Sequence[Path]:
        """Every file, hidden ones left out.

        Raises:
            EvidenceError: it is not a folder, or holds none.
        """
        files = sorted(path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        if not files:
            msg = f"{self.folder} holds no films; name the folder of the films that are labelled"
            raise EvidenceError(msg)
        return files

    def labelled(self, labels: Labels) -> tuple[Mapping[Path, Label], int]:
        """The file of each label that has one, and how many have none.

        Raises:
            EvidenceError: two lines name one film, or a name belongs to two files.
        """
        files = self.files
        names = Counter(path.name for path in files)
        by_name = {path.name: path for path in files if names[path.name] == 1}
        by_name |= {path.relative_to(self.folder).as_posix(): path for path in files}
        if any(name not in by_name for name in labels.by_film):
            by_name |= {uid: path for path in files if (uid := _header(path).get("SOPInstanceUID"))}
        found: dict[Path, Label] = {}
        missing = 0
        for name, label in labels.by_film.items():
            if names[name] > 1 and name not in by_name:
                msg = f"{names[name]} films of the folder have one of the labelled names; name them by their folders"
                raise EvidenceError(msg)
            path = by_name.get(name)
            if path is None:
                missing += 1
            elif path in found:
                msg = "two lines of the labels name one film, by its name and by its UID; keep one of them"
                raise EvidenceError(msg)
            else:
                found[path] = label
        return found, missing

    def header_groups(self, path: Path) -> dict[SubgroupAttribute, str]:
        """The groups that a DICOM header states; none of another file."""
        header = _header(path)
        age = age_years(header.get("PatientAge", "").upper())
        stated: dict[SubgroupAttribute, str] = {
            "age": "" if age is None else str(age),
            "sex": header.get("PatientSex", ""),
            "view": header.get("ViewPosition", ""),
            "device": header.get("ManufacturerModelName", ""),
            "station": header.get("StationName", ""),
        }
        return {name: group_of(name, value) for name, value in stated.items() if value}


def _stated_groups(label: Label) -> dict[SubgroupAttribute, str]:
    return {name: group_of(name, value) for name, value in label.groups.items()}


def _header(path: Path) -> dict[str, str]:
    """Attributes of a DICOM file; none where it is another file, or cannot be read: its reading will say why."""
    try:
        with path.open("rb") as stream:
            if stream.read(_PREAMBLE + 4)[_PREAMBLE:] != b"DICM":
                return {}
        with parsing("DICOM header"):
            dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(_KEYWORDS))
            return {keyword: text(dataset, keyword) for keyword in _KEYWORDS if keyword in dataset}
    except (OSError, CxrError):
        return {}


def _with_progress(films: Sequence[tuple[Path, Label]]) -> Iterator[tuple[Path, Label]]:
    for number, film in enumerate(films, start=1):
        if sys.stderr.isatty():
            print(f"\r{number} of {len(films)}", end="\n" if number == len(films) else "", file=sys.stderr, flush=True)
        yield film
