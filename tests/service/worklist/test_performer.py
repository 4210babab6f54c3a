"""A workitem from its claim to its end, between counterparts on loopback."""

import pytest

from schemas.errors import SettingsError
from service.worklist.process import performing
from tests.service.chosen import settings_of
from tests.service.dicomweb.films import STUDY, film, uid
from tests.service.worklist.origin_server import tag, value, values
from tests.waiting import wait_until

SR = "1.2.840.10008.5.1.4.1.1.88.34"
LATER = "2026-11-29T12:00:00Z"


def turns(performer, until, what="done") -> None:
    """Turn after turn, as the process does, until the condition holds."""

    def turned() -> bool:
        performer.turn()
        return until()

    wait_until(turned, what, timeout_s=30)


def ended(ward, *items: str):
    return lambda: all(ward.origin.items[item].state in ("COMPLETED", "CANCELED") for item in items)


def performed(item):
    (procedure,) = values(item.dataset, "UnifiedProcedureStepPerformedProcedureSequence")
    return procedure


def progress(item):
    (state,) = values(item.dataset, "ProcedureStepProgressInformationSequence")
    return state


def outputs(item):
    return [
        value(reference, "ReferencedSOPInstanceUID")
        for output in values(performed(item), "OutputInformationSequence")
        for reference in values(output, "ReferencedSOPSequence")
    ]


@pytest.mark.clause("PS3.18 11.5", "a workitem is retrieved as DICOM JSON")
@pytest.mark.clause("PS3.18 11.6", "an update carries the Transaction UID and leaves the state alone")
@pytest.mark.clause("PS3.18 11.7", "a workitem is claimed, and completed by the Transaction UID of its claim")
@pytest.mark.clause("PS3.4 CC.2.5.1.1", "COMPLETED has performer, times, work and outputs")
@pytest.mark.clause("PS3.18 F.2", "every attribute has the value representation of the dictionary")
@pytest.mark.clause("PS3.18 10.4", "films are retrieved by WADO-RS in the transfer syntax in which they are stored")
def test_a_workitem_is_claimed_performed_and_completed_with_its_outputs(ward, perform) -> None:
    uid_of_item = ward.schedule("one", "a", "b", ScheduledProcedureStepPriority="HIGH")
    performer = perform(worklist_station="CXR^99SITE^Reader", worklist_code="110005^DCM")
    turns(performer, ended(ward, uid_of_item))
    item = ward.origin.items[uid_of_item]
    output = values(performed(item), "OutputInformationSequence")[0]

    assert item.states == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]
    assert ward.service.stored == {uid("a"): 1, uid("b"): 1}
    assert ward.service.films[uid("a")] == film("a")
    assert all("transfer-syntax=*" in headers["Accept"] for _, _, headers in ward.archive.requests)
    assert ward.service.urgent == {uid("a"), uid("b")}
    assert outputs(item) == [f"{uid('a')}.2", f"{uid('b')}.2"]
    assert value(output, "StudyInstanceUID") == STUDY
    assert value(output, "TypeOfInstances") == "DICOM"
    (retrieval,) = values(output, "WADORSRetrievalSequence")
    assert value(retrieval, "RetrieveURL") == f"{ward.archive.url}/studies/{STUDY}/series/{uid('a')}.1"
    assert value(values(performed(item), "PerformedStationNameCodeSequence")[0], "CodeMeaning") == "Reader"
    assert value(values(performed(item), "PerformedWorkitemCodeSequence")[0], "CodeValue") == "110005"
    assert item.progress == sorted(item.progress)
    assert item.progress[-1] == 100
    assert performer.register.count() == 0


@pytest.mark.clause("PS3.18 11.9", "workitems are found by matching keys, of sequences too")
@pytest.mark.clause("IHE AIW-I RAD-81", "scheduled work of this station is searched for")
def test_the_search_names_what_the_settings_name(ward, perform) -> None:
    perform(worklist_station="CXR^99SITE", worklist_step_label="Chest X-ray").turn()
    (search,) = [path for method, path in ward.origin.requests if method == "GET"]

    assert search == (
        "/ups/workitems?ProcedureStepState=SCHEDULED&InputReadinessState=READY&limit=50&ScheduledStationNameCodeSequence"
        ".CodeValue=CXR&ScheduledStationNameCodeSequence.CodingSchemeDesignator=99SITE&WorklistLabel=AI"
        "&ProcedureStepLabel=Chest+X-ray"
    )


@pytest.mark.clause("PS3.4 CC.2.8", "what is found is matched, whichever keys the server knows")
def test_work_of_others_is_not_claimed_where_the_server_ignores_filters(ward, perform) -> None:
    ward.origin.knows_filters = False
    theirs = ward.schedule("theirs", "a", WorklistLabel="HUMANS")
    not_ready = ward.schedule("not ready", "a", InputReadinessState="INCOMPLETE")
    ours = ward.schedule("ours", "a")
    turns(perform(worklist_station="CXR^99SITE"), ended(ward, ours))

    assert ward.origin.items[theirs].claims == ward.origin.items[not_ready].claims == 0


@pytest.mark.parametrize(
    ("setting", "value_of_it"),
    [
        ("worklist_station", "OTHER^99SITE"),
        ("worklist_station", "CXR^OTHER"),
        ("worklist_code", "110004^DCM"),
        ("worklist_step_label", "Hand"),
    ],
)
def test_each_filter_is_asked_of_the_workitem_itself(ward, perform, setting, value_of_it) -> None:
    ward.origin.knows_filters = False
    item = ward.schedule("one", "a")
    perform(**{setting: value_of_it}).turn()

    assert ward.origin.items[item].claims == 0


@pytest.mark.clause("PS3.4 CC.1.1", "a workitem in progress belongs to the Transaction UID that claimed it")
def test_a_workitem_that_another_performer_has_claimed_is_left_to_it(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.origin.items[item].transaction_uid = "1.2.3"
    performer = perform()
    claim = performer.register.begin(item)
    ward.origin.items[item].states.append("IN PROGRESS")
    performer.turn()

    assert claim is not None
    assert ward.origin.items[item].transaction_uid == "1.2.3"
    assert performer.register.count() == 0
    assert not ward.service.stored


@pytest.mark.clause("PS3.4 CC.2.6.2", "updates are idempotent: one whose answer was lost is repeated")
@pytest.mark.parametrize("lost", ["claim", "update", "retrieve", "COMPLETED"])
def test_an_answer_that_is_lost_changes_nothing(ward, perform, lost) -> None:
    item = ward.schedule("one", "a")
    ward.origin.lost[lost] = 2
    turns(perform(), ended(ward, item))

    assert ward.origin.items[item].states == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]


@pytest.mark.clause("PS3.4 CC.2.1.2", "the Transaction UID is kept in non-volatile storage")
@pytest.mark.parametrize("turns_before", [1, 2, 3])
def test_a_performer_that_begins_anew_goes_on_where_the_last_one_ended(ward, turns_before) -> None:
    item = ward.schedule("one", "a")
    ward.service.states[uid("a")] = {"state": "received", "next_attempt_at": LATER}
    for _ in range(turns_before):  # each is closed as if it had died: nothing is given back
        with performing(settings_of(**ward.settings())) as performer:
            performer.turn()
    ward.service.states.clear()
    with performing(settings_of(**ward.settings())) as performer:
        turns(performer, ended(ward, item))

    assert ward.origin.items[item].states == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]
    assert ward.origin.items[item].claims == 1


@pytest.mark.clause("PS3.4 CC.2.5.1.1", "CANCELED has its time and a coded reason, and names partial outputs")
@pytest.mark.clause("PS3.16 CID-9300", "reasons of a discontinuation are public codes")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda ward: ward.service.refusals.update({uid("b"): 0xC000}), "110521"),
        (
            lambda ward: ward.service.states.update({uid("b"): {"state": "refused", "problem": "invalid_image"}}),
            "110521",
        ),
        (lambda ward: ward.service.states.update({uid("b"): {"state": "failed", "problem": "pacs_refused"}}), "110501"),
        (lambda ward: ward.archive.films.update({uid("b"): b"no DICOM"}), "110521"),
        (lambda ward: ward.archive.films.update({uid("b"): film("c")}), "110521"),
    ],
    ids=["refused at the door", "refused later", "dead letter", "not DICOM", "another film"],
)
def test_a_film_without_results_cancels_the_workitem_and_those_of_the_others_are_named(
    ward, perform, change, code
) -> None:
    item = ward.schedule("one", "a", "b")
    change(ward)
    turns(perform(), ended(ward, item))
    done = ward.origin.items[item]

    assert done.states == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
    reason = value(progress(done), "ReasonForCancellation")
    assert reason.startswith("1 of 2 films have no delivered results (")
    assert value(values(progress(done), "ProcedureStepDiscontinuationReasonCodeSequence")[0], "CodeValue") == code
    assert outputs(done) == [f"{uid('a')}.2"]


def test_a_workitem_without_a_film_is_canceled_as_unsupported(ward, perform) -> None:
    item = ward.schedule("one", "a", classes=(SR,))
    turns(perform(), ended(ward, item))
    done = ward.origin.items[item]

    assert done.state == "CANCELED"
    assert value(progress(done), "ReasonForCancellation") == (
        "names no CR or DX image among 1 inputs; those alone are analysed"
    )
    assert not ward.service.stored


def test_films_that_the_archive_lacks_cancel_the_workitem_after_some_attempts(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.archive.films.clear()
    turns(perform(worklist_max_attempts=3), ended(ward, item))
    done = ward.origin.items[item]

    assert done.state == "CANCELED"
    assert value(values(progress(done), "ProcedureStepDiscontinuationReasonCodeSequence")[0], "CodeValue") == "110523"
    assert ward.archive.retrieved[uid("a")] == 3


@pytest.mark.parametrize("state", ["COMPLETED", "CANCELED"])
def test_a_workitem_that_the_server_ended_meanwhile_is_let_go(ward, perform, state) -> None:
    item = ward.schedule("one", "a")
    ward.service.states[uid("a")] = {"state": "received", "next_attempt_at": LATER}
    performer = perform()
    performer.turn()
    ward.origin.items[item].states.append("CANCELED")
    ward.service.states[uid("a")] = {"state": "delivered" if state == "COMPLETED" else "refused"}
    turns(performer, lambda: performer.register.count() == 0)

    assert ward.origin.items[item].states == ["SCHEDULED", "IN PROGRESS", "CANCELED"]


def test_a_server_that_refuses_the_end_is_asked_again(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.origin.refuses_final_states = True
    performer = perform()
    turns(performer, lambda: ward.origin.items[item].progress[-1:] == [100])
    assert performer.register.count() == 1
    ward.origin.refuses_final_states = False
    turns(performer, ended(ward, item))

    assert ward.origin.items[item].state == "COMPLETED"


@pytest.mark.clause("PS3.18 11.8", "a request to cancel reaches the performer, which cancels")
@pytest.mark.clause("PS3.18 11.10", "the performer subscribes to what it has claimed")
@pytest.mark.clause("PS3.18 8.10.4", "event reports come by WebSocket")
@pytest.mark.clause("RFC 6455 5.4", "a message in fragments is put together; pings between them are answered")
@pytest.mark.clause("IHE AIW-I RAD-87", "notifications of requests to cancel are heeded")
def test_a_request_to_cancel_is_honoured(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.service.states[uid("a")] = {"state": "received", "next_attempt_at": LATER}
    performer = perform()
    performer.turn()
    wait_until(lambda: ward.origin.channels.get("CXR"), "subscribed")
    ward.origin.request_cancellation(item)
    turns(performer, ended(ward, item))
    done = ward.origin.items[item]

    assert done.states == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
    assert value(progress(done), "ReasonForCancellation") == "canceled as it was asked for"
    wait_until(lambda: ward.origin.pongs == [b"still there?"], "the answer to the ping")


def test_a_performer_that_begins_anew_subscribes_again(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.service.states[uid("a")] = {"state": "received", "next_attempt_at": LATER}
    with performing(settings_of(**ward.settings(worklist_subscribe=False))) as first:
        first.turn()
    assert not ward.origin.subscribed
    perform().turn()

    assert ward.origin.subscribed == {(item, "CXR")}


@pytest.mark.parametrize("address", ["ws://other.example.org/ws", "http://127.0.0.1/ws"])
def test_events_of_another_host_are_not_followed(ward, perform, address, logged) -> None:
    ward.origin.events_address = address
    item = ward.schedule("one", "a")
    turns(perform(), ended(ward, item))

    assert [event["event"] for event in logged if "not_followed" in event["event"]] == ["subscription_not_followed"]


@pytest.mark.clause("PS3.18 11.10", "an origin server may refuse subscriptions")
def test_a_server_without_events_is_worked_for_all_the_same(ward, perform) -> None:
    ward.origin.has_events = False
    item = ward.schedule("one", "a")
    turns(perform(worklist_state_with_title=False), ended(ward, item))

    assert ward.origin.items[item].state == "COMPLETED"


def test_dcm4chee_has_the_title_in_the_path(ward, perform) -> None:
    item = ward.schedule("one", "a")
    turns(perform(worklist_state_with_title=True, worklist_ae_title="READER"), ended(ward, item))

    assert ("PUT", f"/ups/workitems/{item}/state/READER") in ward.origin.requests


def test_no_work_is_claimed_that_the_service_would_not_take_or_answer(ward, perform) -> None:
    item = ward.schedule("one", "a")
    performer = perform()
    ward.service.silent = True
    performer.turn()

    assert ward.origin.items[item].claims == 0


def test_a_service_without_an_archive_completes_without_outputs(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.service.states[uid("a")] = {"state": "analysed"}
    turns(perform(), ended(ward, item))
    done = ward.origin.items[item]

    assert done.state == "COMPLETED"
    assert value(progress(done), "ProcedureStepProgressDescription") == "results stand in the service alone"
    assert performed(done)[tag("OutputInformationSequence")] == {"vr": "SQ"}


def test_a_film_that_the_service_has_forgotten_is_handed_over_again_and_not_for_ever(ward, perform) -> None:
    item = ward.schedule("one", "a")
    performer = perform()
    ward.service.states[uid("a")] = {"state": "received", "next_attempt_at": LATER}
    performer.turn()
    ward.service.films.clear()
    ward.service.states.clear()
    turns(performer, ended(ward, item))

    assert ward.origin.items[item].state == "COMPLETED"
    assert ward.service.stored[uid("a")] == 2


def test_no_more_than_allowed_is_in_progress_at_a_time(ward, perform) -> None:
    items = [ward.schedule(f"item {number}", f"film {number}") for number in range(4)]
    for number in range(4):
        ward.service.states[uid(f"film {number}")] = {"state": "received", "next_attempt_at": LATER}
    performer = perform(worklist_at_once=2)
    performer.turn()

    assert sum(ward.origin.items[item].state == "IN PROGRESS" for item in items) == 2
    ward.service.states.clear()
    turns(performer, ended(ward, *items))


def test_an_outage_of_every_counterpart_is_waited_for(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.origin.unavailable = 3
    ward.archive.retrieval_status = 503
    ward.service.store_status = 503
    performer = perform()
    turns(performer, lambda: performer.metrics.failures.labels("pacs_unreachable")._value.get() >= 2)
    ward.archive.retrieval_status = 200
    turns(performer, lambda: performer.metrics.failures.labels("not_ready")._value.get() >= 2)
    ward.service.store_status = 200
    turns(performer, ended(ward, item))

    assert ward.origin.items[item].state == "COMPLETED"


def test_credentials_go_to_whom_they_are_for(ward, perform, tmp_path) -> None:
    for name in ("worklist", "pacs", "service"):
        (tmp_path / name).write_text(f"secret-{name}")
        (tmp_path / name).chmod(0o600)
    item = ward.schedule("one", "a")
    files = {"worklist_token_file": tmp_path / "worklist", "pacs_token_file": tmp_path / "pacs"}
    turns(perform(worklist_api_key_file=tmp_path / "service", **files), ended(ward, item))

    assert ward.service.keys == {"secret-service"}
    assert {headers["Authorization"] for _, _, headers in ward.archive.requests} == {"Bearer secret-pacs"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"worklist_url": None}, "set CXR_WORKLIST_URL"),
        ({"worklist_source_url": None}, "set CXR_WORKLIST_SOURCE_URL, or CXR_PACS_URL"),
        ({"worklist_database_url": "sqlite://"}, "CXR_WORKLIST_DATABASE_URL names no file"),
        ({"worklist_ca_file": "nowhere.pem"}, "CXR_WORKLIST_CA_FILE holds no certificates"),
    ],
)
def test_what_is_missing_is_named_at_the_start(ward, settings, message) -> None:
    with pytest.raises(SettingsError, match=message), performing(settings_of(**ward.settings(**settings))):
        pass


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(500, "search"), (418, "retrieve"), (500, "update"), (500, "claim"), (500, "COMPLETED")],
)
def test_a_status_that_the_standard_does_not_name_is_asked_again(ward, perform, answer, kind) -> None:
    item = ward.schedule("one", "a")
    ward.origin.odd[kind] = answer
    turns(perform(), ended(ward, item))

    assert ward.origin.items[item].states == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]


def test_what_is_not_a_workitem_stops_no_search(ward, perform, logged) -> None:
    ward.schedule("one", "a", SOPInstanceUID="../other")
    perform().turn()

    assert [event["code"] for event in logged if event["event"] == "search_failed"] == ["worklist_unreachable"]


@pytest.mark.parametrize("state", ["CANCELED", None])
def test_a_workitem_that_is_gone_before_its_films_are_brought_is_let_go(ward, perform, state) -> None:
    item = ward.schedule("one", "a")
    ward.archive.retrieval_status = 503
    performer = perform()
    performer.turn()
    if state is None:
        del ward.origin.items[item]
    else:
        ward.origin.items[item].states.append(state)
    turns(performer, lambda: performer.register.count() == 0)

    assert not ward.service.stored


def test_a_service_that_forgets_everything_at_once_cancels(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.service.forgets = True
    turns(perform(), ended(ward, item))
    done = ward.origin.items[item]

    assert done.state == "CANCELED"
    assert "raise CXR_RESULTS_RETENTION_H" in value(progress(done), "ReasonForCancellation")


def test_films_of_which_some_have_results_move_the_progress(ward, perform) -> None:
    item = ward.schedule("one", "a", "b")
    ward.service.states[uid("b")] = {"state": "received", "next_attempt_at": LATER}
    performer = perform()
    turns(performer, lambda: ward.origin.items[item].progress[-1:] == [65])
    ward.service.states.clear()
    turns(performer, ended(ward, item))

    assert ward.origin.items[item].progress[-2:] == [65, 100]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [("text/html", b"no film"), ("multipart/related; boundary=x", b"--x--"), ("multipart/related; boundary=x", b"cut")],
)
def test_an_answer_that_holds_no_film_is_asked_for_again(ward, perform, media_type, body) -> None:
    item = ward.schedule("one", "a")
    ward.archive.odd = [(media_type, body)] * 2
    turns(perform(), ended(ward, item))

    assert ward.origin.items[item].state == "COMPLETED"
    assert ward.archive.retrieved[uid("a")] == 3


def test_a_film_may_come_alone(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.archive.odd = [("application/dicom", film("a"))]
    turns(perform(), ended(ward, item))

    assert ward.origin.items[item].state == "COMPLETED"


def test_a_service_that_is_away_or_answers_nothing_useful_is_waited_for(ward, perform) -> None:
    item = ward.schedule("one", "a")
    with performing(settings_of(**ward.settings(worklist_service_url="http://127.0.0.1:9"))) as without:
        without.turn()
    assert ward.origin.items[item].claims == 0
    ward.service.odd = 2
    turns(perform(), ended(ward, item))

    assert ward.origin.items[item].state == "COMPLETED"


def test_a_subscription_that_gets_no_answer_is_done_without(ward, perform) -> None:
    item = ward.schedule("one", "a")
    ward.origin.lost["subscribe"] = 1
    turns(perform(), ended(ward, item))

    assert ward.origin.items[item].state == "COMPLETED"
