"""Every variant of every object is valid: by dciodvfy, by the tables of PS3.3, by the templates of PS3.16, by IHE AIR.

A few films here; as many as CXR_VALIDATED_FILMS says where it is set: 300 take some minutes.
"""

import copy
import io
import os
import subprocess
from collections.abc import Iterator, Mapping

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from service.results.contributor import device_uid
from service.results.objects import result_objects
from service.results.source import MANUFACTURER
from tests.service.results.films import DCIODVFY, analysis, film, heat_map
from tests.service.results.modules import module_errors
from tests.service.results.templates import template_errors
from tests.service.results.variants import films, variants

FILMS = int(os.environ.get("CXR_VALIDATED_FILMS", "1"))
VARIANTS = tuple(variants(film()))
KNOWN_TO_DCIODVFY = ("Comprehensive3DSR", "SCImage", "GrayscaleSoftcopyPresentationState")


def objects_of(source: Dataset, name: str) -> Mapping[str, bytes]:
    record = variants(source)[name]
    made = result_objects(source, record, heat_map(source) if record.explanation else None)
    kinds = {"sr": made.sr, "sc": made.secondary_capture, "pr": made.presentation_state}
    return {kind: _bytes(each) for kind, each in kinds.items() if each is not None}


def _bytes(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def written(name: str) -> Iterator[tuple[str, bytes]]:
    for source in films(FILMS):
        yield from objects_of(source, name).items()


@pytest.mark.process
@pytest.mark.skipif(not DCIODVFY.exists(), reason="dciodvfy is not installed (Debian: dicom3tools)")
@pytest.mark.parametrize("name", VARIANTS)
def test_no_validator_finds_an_error(name, tmp_path) -> None:
    path = tmp_path / "object.dcm"
    for kind, content in written(name):
        path.write_bytes(content)
        checked = subprocess.run([DCIODVFY, "-new", path], capture_output=True, text=True, check=False)
        lines = (checked.stdout + checked.stderr).splitlines()
        result = dcmread(io.BytesIO(content))

        assert set(KNOWN_TO_DCIODVFY) & set(lines)  # it knew what it judged
        assert [line for line in lines if line.startswith("Error")] == []
        assert module_errors(result) == []
        assert kind != "sr" or template_errors(result) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_the_algorithm_is_the_contributing_equipment(name) -> None:
    source = film()
    record = variants(source)[name]

    for content in objects_of(source, name).values():
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
