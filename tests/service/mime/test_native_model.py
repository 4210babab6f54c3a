"""Rules of data sets in XML: those of PS3.19 A.1, and those of another writer."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from pydicom import Dataset, dcmwrite

from imaging.limits import DecodeLimits
from schemas.errors import InvalidImageError
from service.dicomweb.instance import read_instance
from service.dicomweb.stow import COERCED, Outcome, answer
from service.mime.native_model import native_model
from tests.service.dicomweb.films import film

NAMESPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
SPACE = "{http://www.w3.org/XML/1998/namespace}space"


@pytest.fixture
def dataset():
    """All that an answer to STOW-RS can hold."""
    instances = [read_instance(film(name), DecodeLimits()) for name in ("stored", "coerced", "failed")]
    error = InvalidImageError("no pixels")
    return answer(
        [
            Outcome(instances[0], "new"),
            Outcome(instances[1], "other_content", COERCED),
            Outcome(instances[2], error, 0xC000),
            Outcome(None, error, 0xC000),
        ]
    )


def check_data_set(element) -> int:
    """The rules of the schema in PS3.19 A.1.6 for what a data set holds; returns how many attributes that was."""
    assert [child.tag for child in element] == [f"{NAMESPACE}DicomAttribute"] * len(element)
    tags = [child.get("tag") for child in element]
    assert tags == sorted(set(tags))
    return sum(map(check_attribute, element))


def check_attribute(attribute) -> int:
    assert set(attribute.keys()) == {"tag", "vr", "keyword"}  # none is private
    assert re.fullmatch("[0-9A-F]{8}", attribute.get("tag"))
    assert re.fullmatch("[A-Z]{2}", attribute.get("vr"))
    assert re.fullmatch("[A-Za-z][A-Za-z0-9]*", attribute.get("keyword"))
    assert attribute.text is None  # nothing but elements, for blanks are preserved
    assert [child.get("number") for child in attribute] == [str(place + 1) for place in range(len(attribute))]
    kind = "Item" if attribute.get("vr") == "SQ" else "Value"
    assert [child.tag for child in attribute] == [NAMESPACE + kind] * len(attribute)
    if kind == "Item":
        return 1 + sum(map(check_data_set, attribute))
    assert all(len(value) == 0 and value.text for value in attribute)
    return 1


def test_the_document_keeps_the_rules_of_the_schema(dataset) -> None:
    root = ET.fromstring(native_model(dataset))

    assert (root.tag, root.get(SPACE)) == (f"{NAMESPACE}NativeDicomModel", "preserve")
    assert check_data_set(root) == 4 + 3 + 4 + 3 + 1


def test_what_a_value_holds_is_text_and_no_element() -> None:
    hostile = {"0008103E": {"vr": "LO", "Value": ['<Item/> & "quotes"', 7]}}
    (attribute,) = ET.fromstring(native_model(hostile))

    assert attribute.get("keyword") == "SeriesDescription"
    assert [value.text for value in attribute] == ['<Item/> & "quotes"', "7"]


@pytest.mark.process
def test_dcmtk_writes_the_same_document(dataset, tmp_path) -> None:
    if shutil.which("dcm2xml") is None:
        pytest.skip("dcm2xml (Debian package dcmtk) is not installed")
    file = tmp_path / "answer.dcm"
    dcmwrite(file, Dataset.from_json(dict(dataset)), implicit_vr=False, little_endian=True)
    command = ["dcm2xml", "-nat", "+Xn", "-f", "-te", str(file)]
    written = subprocess.run(command, check=True, capture_output=True).stdout

    bare = re.sub(rb">\s+<", b"><", written)  # dcmtk breaks lines between elements, although blanks are preserved
    assert ET.canonicalize(bare) == ET.canonicalize(native_model(dataset))
