"""Who a film shows, as far as file names say it: the naming schemes of public data sets, recognised by their look."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from trainer.films.film import KERMANY

_START = r"(?:^|[/_\-. ])"
_HEX = "[0-9a-f]"


@dataclass(frozen=True, slots=True)
class NamingScheme:
    """How one data set names its films."""

    name: str
    """As the record of the run calls it."""
    pattern: re.Pattern[str]
    """Searched in the path below the data folder; its group `patient` is the patient or the study."""
    gives: Literal["patient", "study", "film"] = "patient"
    """What the names distinguish; with `film` a patient cannot be known from them."""
    distinctive: bool = True
    """Whether one such name is proof enough; else most names of a class must look like it."""


SCHEMES: tuple[NamingScheme, ...] = (
    # Irvin et al., AAAI 2019: patient00001/study1/view1_frontal.jpg; also CheXpert Plus and CheXphoto.
    NamingScheme("CheXpert", re.compile(rf"{_START}(?P<patient>patient\d+)[/_\-]study\d+[/_\-]view\d")),
    # Johnson et al., Sci. Data 6 (2019) 317: p10/p10000032/s50414267/02aa804e-….jpg
    NamingScheme("MIMIC-CXR", re.compile(rf"{_START}(?P<patient>p1\d{{7}})[/_\-]s\d{{8}}(?!\d)")),
    # Vayá et al., arXiv:2006.01174, and every set in the Brain Imaging Data Structure: sub-S03044_ses-E07985_….png
    NamingScheme("BIMCV", re.compile(rf"{_START}(?P<patient>sub-[A-Za-z0-9]+)[/_]ses-")),
    # Tsai et al., Radiology 299 (2021) E204, as COVIDx names it: MIDRC-RICORD-1C-419639-000082-46647-0.png
    NamingScheme("RICORD", re.compile(rf"{_START}(?P<patient>MIDRC-RICORD-\w+-\d+-\d+)-")),
    # Reis et al., BRAX, Sci. Data 9 (2022) 487: id_0a0c5a2a-…/Study_…/Series_…/image-….png
    NamingScheme("BRAX", re.compile(rf"{_START}(?P<patient>id_{_HEX}{{8}}[0-9a-f\-]*)/Study_")),
    # Jaeger et al., Quant. Imaging Med. Surg. 4 (2014) 475; the last number is the label.
    NamingScheme("Shenzhen and Montgomery", re.compile(rf"{_START}(?P<patient>(?:CHN|MCU)CXR_\d{{4}})_[01](?!\d)")),
    # Shiraishi et al., AJR 174 (2000) 71: JPCLN001.png, JPCNN001.png
    NamingScheme("JSRT", re.compile(rf"{_START}(?P<patient>JPC[LN]N\d{{3}})(?!\d)")),
    # Demner-Fushman et al., JAMIA 23 (2016) 304: CXR1_1_IM-0001-3001.png; a report is of one patient.
    NamingScheme("Open-i", re.compile(rf"{_START}(?P<patient>(?:CXR)?\d+)(?:_\d+)?_IM-\d{{4}}-[1-9]\d{{3}}")),
    # Kermany et al., Cell 172 (2018) 1122-1131, version 3 of the set: BACTERIA-1234567-0001.jpeg
    NamingScheme(
        "Kermany, version 3", re.compile(rf"{_START}(?:BACTERIA|VIRUS|NORMAL)-(?P<patient>\d{{4,8}})-\d{{4}}(?!\d)")
    ),
    # Cohen et al., arXiv:2006.11988: films of one case, or of one article, which mostly shows one patient.
    NamingScheme(
        "COVID-19 image data collection",
        re.compile(
            rf"{_START}(?P<patient>covid-19-(?:[a-z]+-)*?pneumonia-(?:[a-z]+-)*\d+|nejm[a-z]*\d+|ryct\.\d+"
            r"|kjr-\d+-e\d+|1-s2\.0-S\w+|auntminnie-[a-z0-9]+-\d{4}(?:_\d+)+|jkms-\d+-e\d+)(?![0-9])"
        ),
    ),
    # Kermany et al., Cell 172 (2018) 1122-1131: person12_virus_35.jpeg, IM-0115-0001.jpeg
    NamingScheme("Kermany", KERMANY),
    # Wang et al., CVPR 2017: 00000001_000.png
    NamingScheme("NIH ChestX-ray14", re.compile(rf"{_START}(?P<patient>\d{{8}})_\d{{3}}(?!\d)"), distinctive=False),
    # Bustos et al., Med. Image Anal. 66 (2020) 101797: the first number is the StudyID, or that of one image.
    NamingScheme(
        "PadChest",
        re.compile(rf"{_START}(?P<patient>\d{{36,40}})_[0-9a-z]{{6}}(?:\.\w+)*$"),
        gives="study",
        distinctive=False,
    ),
    NamingScheme(
        "PadChest",
        re.compile(rf"{_START}(?P<patient>\d{{41,48}})_\d{{2}}-\d{{3}}-\d{{3}}(?:\.\w+)*$"),
        gives="film",
        distinctive=False,
    ),
    # Of no one set: patient_12_1.png, subject-004/2.png, Pat12b.png, case 7/1.png, P0012_1.png
    NamingScheme(
        "the word for patient in the name",
        re.compile(
            rf"(?i){_START}(?P<patient>(?:patient|pat|pt|subject|subj|sub|person|pid|case)(?:[-_ ]?id)?[-_ ]?\d+)"
            r"(?![0-9])"
        ),
        distinctive=False,
    ),
    # Films by a random name, of whom several may be of one patient: RSNA, MIMIC-CXR without its folders, VinDr-CXR.
    NamingScheme(
        "RSNA, VinDr or other random names",
        re.compile(
            rf"(?i){_START}(?P<patient>{_HEX}{{8}}(?:-{_HEX}{{4,8}}){{3}}-{_HEX}{{8,12}}|{_HEX}{{32}}|\d+(?:\.\d+){{5,}})(?:\.\w+)*$"
        ),
        gives="film",
        distinctive=False,
    ),
    # Chowdhury et al., IEEE Access 8 (2020) 132665, and Rahman et al.: COVID-12.png numbers films, not patients.
    NamingScheme(
        "COVID-19 Radiography Database",
        re.compile(
            r"(?i)(?:^|/)(?P<patient>(?:COVID|Normal|Viral Pneumonia|Lung_Opacity|Tuberculosis)[- ]?\(?\d+\)?)\.\w+$"
        ),
        gives="film",
        distinctive=False,
    ),
)
"""The more specific ones first: of several that fit a name the first counts."""


@dataclass(frozen=True, slots=True)
class NamedPatient:
    """What a name says of the patient."""

    scheme: NamingScheme
    patient: str


def read_names(paths: Sequence[str], labels: Sequence[str]) -> tuple[NamedPatient | None, ...]:
    """The patient of each film as its name has it; None where it has the look of no scheme.

    Args:
        paths: of N films, relative to the data folder.
        labels: [N]; a scheme that is not distinctive counts where most films of one class look like it, because sets
            are often merged class by class.
    """
    readings = [tuple(_readings(path)) for path in paths]
    films = Counter(labels)
    look: dict[NamingScheme, Counter[str]] = defaultdict(Counter)
    for label, found in zip(labels, readings, strict=True):
        for reading in found:
            look[reading.scheme][label] += 1
    accepted = {
        scheme
        for scheme, counts in look.items()
        if scheme.distinctive or any(2 * count > films[label] for label, count in counts.items())
    }
    return tuple(next((one for one in found if one.scheme in accepted), None) for found in readings)


def _readings(path: str) -> Iterator[NamedPatient]:
    for scheme in SCHEMES:
        if match := scheme.pattern.search(path):
            yield NamedPatient(scheme, match["patient"])
