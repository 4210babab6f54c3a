"""Rules of storage commitment as SCP: of films that were taken, and of an archive's answers about results."""

import queue

import pytest
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import build_role

from service.settings import Peer
from tests.service.dicomweb.films import film, uid
from tests.service.dimse.calls import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    CR,
    associated,
    commitment_request,
    counted,
    store,
)
from tests.waiting import wait_until


def uids(items):
    return [item.ReferencedSOPInstanceUID for item in items]


def asked(port, request, **more):
    """The status of N-ACTION, and what came on the same association, which is not released before that is answered."""
    came, reports = [], queue.Queue()

    def noted(event):
        came.append((event.event_type, event.event_information))
        return 0, None

    def sent(event) -> None:
        if came and isinstance(event.pdu, P_DATA_TF):
            reports.put(came.pop())

    handlers = [(evt.EVT_N_EVENT_REPORT, noted), (evt.EVT_PDU_SENT, sent)]
    with associated(port, (COMMITMENT,), evt_handlers=handlers, **more) as association:
        status, _ = association.send_n_action(request, 1, COMMITMENT, COMMITMENT_INSTANCE)
        return status.Status, reports.get(timeout=30) if status.Status == 0 else None


@pytest.mark.clause("PS3.4 J.3", "Storage Commitment Push Model as SCP, with a reason for each failure")
def test_films_that_the_service_has_are_committed_to_and_others_are_not(listen, service) -> None:
    listener = listen(dimse_commit_films=True)
    port = listener.server_address[1]
    for name in ("film", "refused"):
        store(port, film(name))
    service.refused = {uid("refused")}
    request = commitment_request(uid("film"), uid("refused"), "1.2.3")
    status, (event_type, report) = asked(port, request)

    assert (status, event_type, report.TransactionUID) == (0, 2, "1.2.3.4.5")
    assert uids(report.ReferencedSOPSequence) == [uid("film")]
    assert {item.ReferencedSOPInstanceUID: item.FailureReason for item in report.FailedSOPSequence} == {
        uid("refused"): 0x0112,
        "1.2.3": 0x0112,
    }


def test_when_all_are_there_the_event_says_so(listen) -> None:
    port = listen(dimse_commit_films=True).server_address[1]
    store(port, film())
    _, (event_type, report) = asked(port, commitment_request(uid("film")))

    assert event_type == 1
    assert "FailedSOPSequence" not in report
    assert [item.ReferencedSOPClassUID for item in report.ReferencedSOPSequence] == [CR]


@pytest.mark.clause("PS3.4 J.3.3", "N-EVENT-REPORT on an association of its own, with role selection")
def test_a_caller_with_an_address_gets_the_answer_on_an_association_of_its_own(listen, service) -> None:
    entity = ApplicationEntity("MODALITY")
    entity.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
    reports = queue.Queue()

    def noted(event):
        reports.put((str(event.assoc.requestor.ae_title), event.event_type))
        return 0, None

    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, noted)])
    peer = Peer("MODALITY", "127.0.0.1", server.server_address[1])
    listener = listen(dimse_commit_films=True, dimse_peers=(peer,))
    port = listener.server_address[1]
    store(port, film())
    with associated(port, (COMMITMENT,)) as association:
        association.send_n_action(commitment_request(uid("film")), 1, COMMITMENT, COMMITMENT_INSTANCE)

    assert reports.get(timeout=30) == ("CXR", 1)
    wait_until(lambda: counted(listener, "cxr_dimse_commitments_total").get("answered"), "it was counted")
    server.shutdown()


def test_films_are_not_committed_to_unless_the_operator_wants_it(port) -> None:
    assert asked(port, commitment_request(uid("film")))[0] == 0x0122


@pytest.mark.parametrize(
    "request_of",
    [
        commitment_request,
        lambda: commitment_request("x"),
        lambda: commitment_request(uid("film"), transaction="rubbish"),
        lambda: commitment_request(*(f"1.2.{number}" for number in range(1001))),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_request_that_cannot_be_read_is_refused(listen, request_of) -> None:
    assert asked(listen(dimse_commit_films=True).server_address[1], request_of())[0] == 0x0110


def reported(port, report, event_type=1):
    roles = [build_role(COMMITMENT, scp_role=True)]
    with associated(port, (COMMITMENT,), calling="ARCHIVE", ext_neg=roles) as association:
        status, _ = association.send_n_event_report(report, event_type, COMMITMENT, COMMITMENT_INSTANCE)
        return status.Status


def test_an_archives_answer_is_confirmed_once_the_service_has_noted_it(port, service) -> None:
    report = commitment_request("1.2.3", "1.2.4")
    report.FailedSOPSequence = [report.ReferencedSOPSequence.pop()]
    statuses = [reported(port, report, 2)]
    service.note_status = 503
    statuses.append(reported(port, report, 2))

    assert statuses == [0, 0x0110]
    assert service.notes[0] == {"transaction_uid": "1.2.3.4.5", "committed": ["1.2.3"], "failed": ["1.2.4"]}


def test_an_event_of_another_kind_is_no_answer(port, service) -> None:
    assert reported(port, commitment_request("1.2.3"), event_type=7) == 0x0110
    assert service.notes == []
