"""What is reported is what the final state demands, whatever the films became."""

from datetime import UTC, datetime

import pytest

from service.settings import CodedName
from service.worklist.reports import REASONS, Archive, final_report
from service.worklist.work import Film, Result, Verdict, Work
from service.worklist.workitem import workitem_of
from tests.service.worklist.origin_server import OriginServer, Workitem, faults_of, value, values

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
FILM = Film(
    study="1.1",
    series="1.2",
    instance="1.3",
    outcome="delivered",
    results=(
        Result(series="1.4", sop_class="1.5", instance="1.6"),
        Result(series="1.4", sop_class="1.5", instance="1.7"),
    ),
)


@pytest.mark.parametrize("reason", [None, *REASONS])
def test_every_verdict_meets_the_final_state(reason) -> None:
    state: Verdict = "COMPLETED" if reason is None else "CANCELED"
    work = Work(began_at=NOW.timestamp(), films=(FILM,)).ended(state, "text", NOW.timestamp(), reason)
    report = final_report("2.25.1", work, None, Archive("http://pacs/", None), NOW)

    assert faults_of(report) == []
    assert OriginServer.missing(Workitem(report), state) == []


def test_results_of_one_series_are_one_item_and_an_archive_by_dimse_is_named_by_its_title() -> None:
    work = Work(began_at=NOW.timestamp(), films=(FILM,), code=("1", "99A", "what")).ended("COMPLETED", "", 0.0)
    report = final_report("2.25.1", work, CodedName("a", "b", "c"), Archive(None, "PACS"), NOW)
    (performed,) = values(report, "UnifiedProcedureStepPerformedProcedureSequence")
    (output,) = values(performed, "OutputInformationSequence")

    assert len(values(output, "ReferencedSOPSequence")) == 2
    assert value(values(output, "DICOMRetrievalSequence")[0], "RetrieveAETitle") == "PACS"
    assert not values(output, "WADORSRetrievalSequence")
    assert value(performed, "PerformedProcedureStepStartDateTime") == "20261129120000.000000+0000"
    assert value(values(performed, "PerformedWorkitemCodeSequence")[0], "CodeMeaning") == "what"


@pytest.mark.parametrize(
    "inputs",
    [
        None,
        "text",
        [None],
        [{"0020000D": {"Value": [1]}}],
        [{"00081199": {"Value": ["x", {"00081155": {"Value": ["../x"]}}]}}],
    ],
)
def test_inputs_however_odd_are_no_films_and_no_path(inputs) -> None:
    dataset = {"00080018": {"Value": ["1.2"]}, "00741000": {"Value": ["SCHEDULED"]}, "00404021": {"Value": inputs}}

    assert workitem_of(dataset).films == ()
