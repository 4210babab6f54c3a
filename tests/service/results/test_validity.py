"""Every variant of every object is valid: by dciodvfy, dicom-validator, PS3.3, the templates of PS3.16 and IHE AIR.

One film here; as many as CXR_VALIDATED_FILMS says where it is set: 300 take a quarter of an hour, and `--timeout 0`.
"""

import copy
import io
import os
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SecondaryCaptureImageStorage,
)

from imaging.overlay import HeatMap
from schemas.analysis import AnalysisRecord
from service.results.contributor import device_uid
from service.results.objects import result_objects
from service.results.source import MANUFACTURER
from tests.service.results.films import DCIODVFY, analysis, film, heat_map
from tests.service.results.modules import module_errors
from tests.service.results.published_tables import dicom_tables
from tests.service.results.templates import template_errors
from tests.service.results.variants import films, variants

FILMS = int(os.environ.get("CXR_VALIDATED_FILMS", "1"))
VARIANTS = tuple(variants(film()))
KNOWN_TO_DCIODVFY = ("Comprehensive3DSR", "SCImage", "GrayscaleSoftcopyPresentationState")


@cache
def cases() -> tuple[tuple[Dataset, Mapping[str, AnalysisRecord], HeatMap], ...]:
    """Films with every analysis of them and the heat map, which are made once."""
    return tuple((source, variants(source), heat_map(source)) for source in films(FILMS))


def written(name: str) -> Iterator[tuple[AnalysisRecord, str, bytes]]:
    """The objects of one variant of every film."""
    for source, records, heat in cases():
        record = records[name]
        made = result_objects(source, record, heat if record.explanation else None)
        kinds = {"sr": made.sr, "sc": made.secondary_capture, "pr": made.presentation_state}
        for kind, each in kinds.items():
            if each is not None:
                stream = io.BytesIO()
                dcmwrite(stream, each, enforce_file_format=True)
                yield record, kind, stream.getvalue()


@pytest.mark.process
@pytest.mark.skipif(not DCIODVFY.exists(), reason="dciodvfy is not installed (Debian: dicom3tools)")
@pytest.mark.clause("PS3.16 TID-1500", "every variant of every object is valid, with its templates")
@pytest.mark.parametrize("name", VARIANTS)
def test_no_validator_finds_an_error(name, tmp_path) -> None:
    path = tmp_path / "object.dcm"
    for _, kind, content in written(name):
        path.write_bytes(content)
        checked = subprocess.run([DCIODVFY, "-new", path], capture_output=True, text=True, check=False)
        lines = (checked.stdout + checked.stderr).splitlines()
        result = dcmread(io.BytesIO(content))

        assert set(KNOWN_TO_DCIODVFY) & set(lines)  # it knew what it judged
        assert [line for line in lines if line.startswith("Error")] == []
        assert module_errors(result) == []
        assert kind != "sr" or template_errors(result) == []


@pytest.mark.clause("IHE AIR 6.5.3.1", "algorithm, observer and contributing equipment have the same values")
@pytest.mark.parametrize("name", VARIANTS)
def test_the_algorithm_is_the_contributing_equipment(name) -> None:
    for record, _, content in written(name):
        result = dcmread(io.BytesIO(content))
        first = result.ContributingEquipmentSequence[0]
        assert first.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        assert (first.Manufacturer, first.ManufacturerModelName) == (MANUFACTURER, record.model.name)
        assert (first.SoftwareVersions, first.DeviceUID) == (record.model.version, device_uid(record))
        assert first.ContributionDateTime
        if record.udi is not None:
            assert first.UDISequence[0].UniqueDeviceIdentifier == record.udi
        if result.Modality == "SR":  # IHE AIR, table 6.5.3.1-1
            said = {each.ConceptNameCodeSequence[0].CodeValue: each for each in _items(result)}
            assert said["121014"].TextValue == first.Manufacturer
            assert said["121015"].TextValue == said["111001"].TextValue == first.ManufacturerModelName
            assert said["111003"].TextValue == first.SoftwareVersions
            assert first.DeviceUID == said["121012"].UID


def _items(item: Dataset) -> Iterator[Dataset]:
    for each in item.get("ContentSequence", ()):
        yield each
        yield from _items(each)


def broken_report(change):
    result = copy.deepcopy(result_objects(film(), analysis(film()), heat_map(film())).sr)
    change(result)
    return result


def group_of(result):
    return result.ContentSequence[-2].ContentSequence[0].ContentSequence


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda sr: group_of(sr).append(copy.deepcopy(group_of(sr)[0])), "more than once"),
        (lambda sr: setattr(group_of(sr)[0], "RelationshipType", "CONTAINS"), None),
        (lambda sr: sr.ContentSequence.pop(-2), "('126010', 'DCM') is missing"),
        (lambda sr: group_of(sr).append(sr.ContentSequence[-3]), "no row of the template"),
        (lambda sr: setattr(sr.ConceptNameCodeSequence[0], "CodeValue", "121144"), "another title"),
    ],
)
def test_the_templates_are_held_against_the_report(change, error) -> None:
    errors = template_errors(broken_report(change))

    assert (errors == []) if error is None else any(error in each for each in errors)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda sr: delattr(sr, "CompletionFlag"), "CompletionFlag of type 1 is missing"),
        (lambda sr: delattr(sr, "PatientName"), "PatientName of type 2 is missing"),
        (lambda sr: setattr(sr, "Rows", 3), "Rows does not belong there"),
        (lambda sr: setattr(sr, "PreliminaryFlag", "DRAFT"), "PreliminaryFlag is DRAFT"),
        (lambda sr: delattr(group_of(sr)[1], "UID"), None),
        (lambda sr: delattr(group_of(sr)[-1], "ValueType"), "ValueType of type 1 is missing"),
        (lambda sr: sr.private_block(0x99, "X", create=True).add_new(1, "LO", "x"), "is private"),
    ],
)
def test_the_tables_are_held_against_the_object(change, error) -> None:
    errors = module_errors(broken_report(change))

    assert (errors == []) if error is None else any(error in each for each in errors)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_dicom_validator_finds_no_error(name) -> None:
    standard = dicom_info()

    for _, _, content in written(name):
        result = validator().IODValidator(dcmread(io.BytesIO(content)), standard).validate()
        assert (result.status.name, result.errors) == ("Passed", 0)


@pytest.mark.slow
def test_dicom_validator_holds_the_tables_against_the_object() -> None:
    broken = broken_report(lambda sr: delattr(sr, "CompletionFlag"))
    broken.PreliminaryFlag = "DRAFT"

    assert validator().IODValidator(broken, dicom_info()).validate().errors == 2


def validator(module: str = "iod_validator") -> Any:
    return pytest.importorskip(f"dicom_validator.validator.{module}", reason="dicom-validator is not installed")


@cache
def dicom_info() -> Any:
    """The standard as dicom-validator reads it, without the network: from the tables of highdicom."""
    classes = (Comprehensive3DSRStorage, SecondaryCaptureImageStorage, GrayscaleSoftcopyPresentationStateStorage)
    return validator("dicom_info").DicomInfo(*dicom_tables(tuple(map(str, classes))))
