"""What a header states of the patient, the order and the time; and what is left of one that breaks rules."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from pydicom.dataset import Dataset

from service.results.messages.context import Identifier, Moment, NameGroup, context_of


def header(**attributes):
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def item(**attributes):
    return [header(**attributes)]


def test_identifiers_keep_who_gave_them() -> None:
    source = header(
        PatientID="CLINIC\\12345",
        IssuerOfPatientID="Clinic North",
        IssuerOfPatientIDQualifiersSequence=item(UniversalEntityID="1.2.3.9", UniversalEntityIDType="ISO"),
        AccessionNumber="A-77",
        IssuerOfAccessionNumberSequence=item(LocalNamespaceEntityID="RIS"),
        PlacerOrderNumberImagingServiceRequest="P1",
        FillerOrderNumberImagingServiceRequest="F1",
        RequestAttributesSequence=item(RequestedProcedureID="RP1"),
    )

    context = context_of(source)

    assert context.patient_id == Identifier("CLINIC\\12345", "Clinic North", "1.2.3.9", "ISO")
    assert context.accession == Identifier("A-77", "RIS")
    assert (context.placer_order, context.filler_order, context.requested_procedure) == ("P1", "F1", "RP1")


def test_a_name_has_a_group_for_each_writing() -> None:
    context = context_of(
        header(PatientName="Yamada^Tarou^^Dr^Jr=山田^太郎=やまだ^たろう", ReferringPhysicianName="Smith^A")
    )

    assert context.name == (
        NameGroup("Yamada", "Tarou", "", "Dr", "Jr"),
        NameGroup("山田", "太郎", "", "", ""),
        NameGroup("やまだ", "たろう", "", "", ""),
    )
    assert context.referrer == NameGroup("Smith", "A", "", "", "")


def test_a_name_in_ideograms_alone_keeps_its_place() -> None:
    assert context_of(header(PatientName="=山田^太郎")).name == (None, NameGroup("山田", "太郎", "", "", ""))


@pytest.mark.parametrize(
    ("attributes", "moment"),
    [
        (
            {"StudyDate": "20261101", "AcquisitionDate": "20261120", "AcquisitionTime": "101112.5"},
            Moment(date(2026, 11, 20), time(10, 11, 12, 500000), None),
        ),
        (
            {"StudyDate": "20261101", "StudyTime": "235960", "TimezoneOffsetFromUTC": "-0330"},
            Moment(date(2026, 11, 1), time(23, 59, 59), timezone(-timedelta(hours=3, minutes=30))),
        ),
        ({"StudyDate": "20261101"}, Moment(date(2026, 11, 1), None, None)),
        ({}, None),
    ],
)
def test_the_time_is_that_of_the_exposure_or_the_nearest_to_it(attributes, moment) -> None:
    assert context_of(header(**attributes)).exposed == moment


def test_a_procedure_counts_where_it_is_coded_in_loinc() -> None:
    local = header(CodeValue="XRC2", CodingSchemeDesignator="L", CodeMeaning="Chest")
    loinc = header(CodeValue="36643-5", CodingSchemeDesignator="LN", CodeMeaning="XR Chest 2 Views")

    assert context_of(header(ProcedureCodeSequence=[local, loinc])).procedure == (
        "36643-5",
        "XR Chest 2 Views",
        "LN",
    )
    assert context_of(header(ProcedureCodeSequence=[local])).procedure is None


def test_what_breaks_a_rule_is_as_if_it_were_not_stated() -> None:
    source = Dataset()
    source.add_new("PatientBirthDate", "LO", "yesterday")
    source.add_new("PatientSex", "CS", "FEMALE")
    source.add_new("RequestAttributesSequence", "LO", "not a sequence")
    source.add_new("StudyDate", "LO", "20261399")

    context = context_of(source)

    assert (context.birth_date, context.sex, context.requested_procedure, context.exposed) == (None, "", "", None)
    assert (context.patient_id, context.accession, context.name) == (None, None, (None,))


def test_a_birth_date_is_a_date() -> None:
    assert context_of(header(PatientBirthDate="19800229")).birth_date == datetime(1980, 2, 29, tzinfo=UTC).date()
