"""The conformance statement says what the code does: each table that can be compared is."""

import re
from functools import cache

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
)
from pynetdicom import sop_class

from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from service.dicomweb.instance import FILM_CLASSES
from service.dicomweb.pacs import FINAL_STATUSES, NO_SEARCH
from service.dimse.listener import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from service.results.objects import ResultObjects, result_objects
from tests.docs.pages import ROOT
from tests.imaging.files import lookup_table
from tests.service.results.films import heat_map
from tests.service.results.variants import films, variants

PAGE = (ROOT / "docs" / "dicom-conformance.md").read_text(encoding="utf-8")
KINDS = {
    "sr": Comprehensive3DSRStorage,
    "secondary_capture": SecondaryCaptureImageStorage,
    "presentation_state": GrayscaleSoftcopyPresentationStateStorage,
}
OF_STUDIES = (ComprehensiveSRStorage, KeyObjectSelectionDocumentStorage)
"""Summaries and rejection notes."""


def table(after: str) -> list[list[str]]:
    """The rows of the first table after a line, without its head."""
    rows = re.search(r"(?:^\|.*\n)+", PAGE.partition(after)[2], re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[0].splitlines()[2:]]


def test_the_overview_names_every_sop_class_with_its_role() -> None:
    stated = {row[0].split()[-1]: (row[1], row[2]) for row in table("neither an archive nor a viewer.")}

    received = dict.fromkeys(map(str, FILM_CLASSES), ("no", "yes"))
    sent = dict.fromkeys(map(str, (*KINDS.values(), *OF_STUDIES)), ("yes", "no"))
    both = dict.fromkeys((_uid("Verification"), _uid("StorageCommitmentPushModel")), ("yes", "yes"))
    assert stated == received | sent | both | {_uid("StudyRootQueryRetrieveInformationModelFind"): ("yes", "no")}


def test_every_sop_class_and_transfer_syntax_has_its_registered_name() -> None:
    services = [row[0].rpartition(" ")[::2] for row in table("neither an archive nor a viewer.")]
    syntaxes = [(row[0], row[1]) for row in table("### Transfer syntaxes")]

    for name, uid in (*services, *syntaxes):
        assert name.removesuffix(" SOP Class") == UID(uid).name.removesuffix(" SOP Class")


def test_the_transfer_syntaxes_are_those_that_are_decoded_and_proposed() -> None:
    stated = {uid: (accepted, proposed) for _, uid, accepted, proposed in table("### Transfer syntaxes")}

    proposed = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    assert stated == {str(uid): ("yes", "yes" if uid in proposed else "no") for uid in TRANSFER_SYNTAXES}


def test_the_names_of_the_implementation_are_those_that_are_sent() -> None:
    assert f"| implementation class UID | {IMPLEMENTATION_UID} |" in PAGE
    assert f"| implementation version name | {IMPLEMENTATION_NAME} |" in PAGE


def test_the_answers_of_an_archive_are_those_that_are_acted_on() -> None:
    search, store = (row[2] for row in table("### Search and Store, as user agent"))

    assert {int(each) for each in re.findall(r"\d{3}", search)} == {200, 204, *NO_SEARCH}
    assert {int(each) for each in re.findall(r"\b\d{3}\b", store.partition("final refusals")[2])} == FINAL_STATUSES


@cache
def results() -> tuple[ResultObjects, ...]:
    """Of films that differ in all that the objects take over."""
    made = []
    for number, source in enumerate(films(20)):
        source.IssuerOfPatientID = "Ward 7"
        source.StudyDescription = "Chest"
        if number % 3 == 0:
            source.RescaleSlope, source.RescaleIntercept, source.RescaleType = 1, 0, "US"
        if number % 3 == 1:
            source.ModalityLUTSequence = lookup_table(0, 8, [0, 128, 255])
        record = variants(source)["positive" if number else "note: unclear"]
        made.append(result_objects(source, record, heat_map(source)))
    return tuple(made)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_attributes_of_each_object_are_those_that_are_written(kind) -> None:
    rows = table(f"({KINDS[kind]})\n")
    stated = {keyword: presence for keyword, _, presence, _, _ in rows}
    assert [tag for _, tag, *_ in rows] == [_tag(keyword) for keyword in stated] == sorted(map(_tag, stated))

    written: set[str] = set()
    for made in filter(None, (getattr(each, kind) for each in results())):
        assert not [element for element in made if element.tag.is_private]
        there = {element.keyword for element in made}
        filled = {element.keyword for element in made if element.value not in (None, "", [])}
        written |= there
        assert {name for name, presence in stated.items() if presence != "ANAP"} <= there
        assert {name for name, presence in stated.items() if presence == "ALWAYS"} <= filled
        assert not filled & {name for name, presence in stated.items() if presence == "EMPTY"}
    assert written == set(stated)


def _uid(name: str) -> str:
    return str(getattr(sop_class, name))


def _tag(keyword: str) -> str:
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"({tag.group:04X},{tag.element:04X})"
