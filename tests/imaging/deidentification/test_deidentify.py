"""Copies of films name no patient, and still know which films belong together."""

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from imaging.decode import decode
from imaging.deidentification.confidentiality_profile import ACTIONS, CODES, RESOLVED
from imaging.deidentification.deidentify import Deidentifier
from imaging.phantom import phantom
from schemas.errors import BurnedInError, InvalidImageError, NotARadiographError, UnsupportedImageError
from tests.imaging.files import dicom_bytes, dicom_dataset

KEY = b"a secret of thirty-two bytes ..."
UIDS = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "SOPInstanceUID": "1.2.3.4.5"}
TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
BYTES = ("OB", "OW", "UN")
DATES = {"DA": "19770707", "TM": "070707.777", "DT": "19770707070707.777", "AS": "077Y", "DS": "77.707", "IS": "770777"}
MARKED = (b"MARKER", b"19770707", b"070707.777", b"077Y", b"77.707", b"770777", b"1.2.777.")


def film(**attributes):
    source = dicom_dataset(phantom(20, 16, seed=3), **{**UIDS, **attributes})
    return dcmread(io.BytesIO(dicom_bytes(source)))


def file_of(dataset):
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def copied(source, key=KEY, **options):
    return dcmread(io.BytesIO(file_of(Deidentifier(key).copy(source, **options))))


def marked(tag):
    """An element that holds what must not be in a copy; None where its type holds no text."""
    vr = dictionary_VR(tag).split(" or ", maxsplit=1)[0]
    if vr == "SQ":
        item = Dataset()
        item.BodyPartExamined = "MARKER"  # itself kept where its sequence is
        item.PatientComments = "MARKER"
        return DataElement(tag, "SQ", Sequence([item]))
    if vr in TEXTS:
        return DataElement(tag, vr, f"MARKER{tag:08X}")
    if vr in BYTES:
        return DataElement(tag, vr, b"MARKER")
    if vr == "UI":
        return DataElement(tag, "UI", f"1.2.777.{tag}")
    return DataElement(tag, vr, DATES[vr]) if vr in DATES else None


TABLE = sorted(tag for tag in ACTIONS if dictionary_has_tag(tag) and tag >> 16 not in (0x0000, 0x0002))


def test_no_attribute_of_the_table_leaves_a_trace() -> None:
    source = film(BurnedInAnnotation="NO")
    planted = 0
    for tag in TABLE:
        element = marked(tag)
        # These two sequences are kept for their references; what stands in their items is judged by itself.
        if element is not None and RESOLVED["X/Z/U*"] != ACTIONS[tag]:
            source.add(element)
            planted += 1
    source.add_new(0x50000010, "LO", "MARKER")
    source.add_new(0x60003000, "OW", b"MARKER")
    source.add_new(0x60024000, "LT", "MARKER")
    source.add_new(0x00090010, "LO", "MARKER")
    source.add_new(0x00091001, "LO", "MARKER")
    source.add_new(0x00081301, "UT", "MARKER")  # of the table, but newer than pydicom's dictionary
    source.add_new("RescaleType", "UN", b"MARKER" * 11_000)  # no identity by the table, but too long for its type
    source.file_meta.SourceApplicationEntityTitle = "MARKER"
    source.file_meta.PrivateInformationCreatorUID = "1.2.777.1"
    source.file_meta.PrivateInformation = b"MARKER"
    source.preamble = b"MARKER".ljust(128)
    before = file_of(source)

    after = file_of(Deidentifier(KEY).copy(source))

    assert planted > 550
    assert all(mark in before for mark in MARKED)
    assert [mark for mark in MARKED if mark in after] == []


def test_identifying_attributes_inside_kept_sequences_are_judged_too() -> None:
    item = Dataset()
    inner = Dataset()
    inner.OperatorsName = "MARKER"
    inner.SOPInstanceUID = "1.2.777.5"
    inner.CodeValue = "T-D3000"
    item.AnatomicRegionModifierSequence = [inner]
    item.add_new(0x00091001, "LO", "MARKER")
    source = film(AnatomicRegionSequence=[item])

    copy = copied(source)

    kept = copy.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0]
    assert kept.CodeValue == "T-D3000"
    assert "MARKER" not in str(copy)
    assert "1.2.777" not in str(copy)


def test_references_between_films_of_a_set_still_hold() -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.9"
    first = copied(film(SOPInstanceUID="1.2.9"))
    second = copied(film(SourceImageSequence=[reference]))

    assert second.SourceImageSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert first.StudyInstanceUID == second.StudyInstanceUID != "1.2.3"
    assert second.file_meta.MediaStorageSOPInstanceUID == second.SOPInstanceUID


def test_a_well_known_uid_is_kept() -> None:
    assert copied(film(FrameOfReferenceUID="1.2.840.10008.1.4.1.1")).FrameOfReferenceUID == "1.2.840.10008.1.4.1.1"


def test_pseudonyms_group_films_by_patient() -> None:
    def name(**attributes):
        return copied(film(**attributes)).PatientID

    assert name() == name(PatientName="Other^Spelling", SOPInstanceUID="1.2.8")
    assert name() != name(PatientID="MARKER-ID2")
    assert name() != name(IssuerOfPatientID="Elsewhere")
    assert name(PatientID="") == name(PatientID="", SOPInstanceUID="1.2.8")
    assert name(PatientID="") != name(PatientID="", StudyInstanceUID="1.2.4")
    assert "MARKER" not in name()


def test_another_key_gives_other_pseudonyms_and_uids() -> None:
    one = copied(film())
    other = copied(film(), b"another secret, as long as needed")

    assert one.PatientID != other.PatientID
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert file_of(copied(film())) == file_of(one)


def test_the_copy_says_that_it_is_one() -> None:
    copy = copied(film())

    assert copy.PatientIdentityRemoved == "YES"
    assert copy.DeidentificationMethod == "DICOM PS3.15 Annex E Basic Profile"
    assert copy.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert copy.LongitudinalTemporalInformationModified == "REMOVED"


def test_the_pixels_and_what_shows_them_stay() -> None:
    source = film(PhotometricInterpretation="MONOCHROME1", WindowCenter=100, WindowWidth=90)

    before, after = (decode(file_of(made)).pixels for made in (source, copied(source)))

    assert np.array_equal(before, after)


@pytest.mark.parametrize("name", ["RG1_UNCI.dcm", "RG1_J2KR.dcm", "RG3_J2KI.dcm"])
def test_published_films_keep_their_pixels_bit_by_bit(name) -> None:
    source = dcmread(get_testdata_file(name, download=False))

    copy = copied(source)

    assert copy.PixelData == source.PixelData
    assert copy.file_meta.TransferSyntaxUID == source.file_meta.TransferSyntaxUID
    for value in (source.PatientID, str(source.PatientName), source.StudyDate, source.StudyInstanceUID):
        assert value
        assert value.encode() not in file_of(copy).replace(source.PixelData, b"")


needs_dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy is not installed (Debian: dicom3tools)"
)


@pytest.mark.process
@needs_dciodvfy
@pytest.mark.parametrize("name", ["RG1_UNCI.dcm", "RG3_UNCI.dcm"])
def test_a_copy_breaks_no_rule_that_its_source_keeps(name, tmp_path) -> None:
    source = Path(get_testdata_file(name, download=False))
    (tmp_path / "copy.dcm").write_bytes(file_of(Deidentifier(KEY).copy(dcmread(source))))

    assert errors(tmp_path / "copy.dcm") <= errors(source)


@pytest.mark.process
@needs_dciodvfy
@pytest.mark.real_data
def test_a_copy_of_a_real_film_breaks_no_rule_that_its_source_keeps(real_films, tmp_path) -> None:
    paths = sorted((real_films / "dicom").glob("*.dcm"))

    assert paths
    for path in paths:
        (tmp_path / "copy.dcm").write_bytes(file_of(Deidentifier(KEY).copy(dcmread(path))))
        assert errors(tmp_path / "copy.dcm") <= errors(path)


def errors(path):
    checked = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    said = (checked.stdout + checked.stderr).splitlines()
    assert {"CRImage", "DXImageForPresentation", "SCImage"} & set(said)  # it knew what it judged
    return {line for line in said if line.startswith("Error")}


def test_text_in_the_pixels_is_refused_until_somebody_looked() -> None:
    source = film(BurnedInAnnotation="YES")

    with pytest.raises(BurnedInError, match="look at the film"):
        copied(source)

    assert copied(source, accept_burned_in=True).PatientIdentityRemoved == "YES"


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"Modality": "SR"}, NotARadiographError),
        ({"PixelData": None}, NotARadiographError),
        ({"SeriesInstanceUID": ""}, InvalidImageError),
        ({"SOPInstanceUID": ""}, InvalidImageError),
    ],
)
def test_what_is_no_complete_film_is_refused(attributes, error) -> None:
    source = film()
    for keyword, value in attributes.items():
        if value is None:
            delattr(source, keyword)
        else:
            setattr(source, keyword, value)

    with pytest.raises(error):
        Deidentifier(KEY).copy(source)


def test_a_transfer_syntax_that_is_not_read_is_refused() -> None:
    source = film()
    source.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    with pytest.raises(UnsupportedImageError, match="Deflated"):
        Deidentifier(KEY).copy(source)


@pytest.mark.parametrize(
    ("keyword", "code"),
    [
        ("PatientName", "Z"),
        ("PatientID", "Z/D"),
        ("PatientBirthDate", "Z"),
        ("PatientAge", "X"),
        ("StudyDate", "Z"),
        ("AcquisitionDate", "X/Z"),
        ("ContentDate", "Z/D"),
        ("SeriesDate", "X/D"),
        ("DeviceSerialNumber", "X/Z/D"),
        ("SOPInstanceUID", "U"),
        ("SourceImageSequence", "X/Z/U*"),
        ("ContentSequence", "D"),
        ("AccessionNumber", "Z"),
        ("InstitutionName", "X/Z/D"),
        ("AcquisitionContextSequence", "X/Z"),
        ("BarcodeValue", "X/Z"),
        ("ClinicalTrialSponsorName", "D"),
        ("ImageComments", "X"),
    ],
)
def test_the_table_has_the_standards_code(keyword, code) -> None:
    assert keyword in CODES[code].split()
    assert ACTIONS[tag_for_keyword(keyword)] == RESOLVED[code]


def test_the_table_has_every_attribute_once() -> None:
    names = [name for code in CODES for name in CODES[code].split()]

    assert len(names) == len(set(names)) == len(ACTIONS) == 652
    assert all(dictionary_VM(tag) for tag in TABLE)
