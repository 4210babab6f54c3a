"""Rules of C-STORE and C-ECHO as SCP, spoken over loopback."""

import io
import threading

import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, RLELossless

from service.dimse.listener import IMPLEMENTATION_UID
from tests.service.dicomweb.films import film, film_dataset, uid
from tests.service.dimse.calls import CR, SECONDARY_CAPTURE, associated, counted, echo, failed_class, store
from tests.service.dimse.desk import failed, referenced


def film_of(name, **attributes):
    return dcmread(io.BytesIO(film(name, **attributes)))


@pytest.mark.clause("PS3.4 A", "Verification as SCP")
def test_an_echo_is_answered(port) -> None:
    assert echo(port) == 0


@pytest.mark.clause("PS3.4 B.2", "C-STORE succeeds once the instance is stored")
def test_a_film_is_confirmed_once_the_service_has_it_and_not_before(listen, service) -> None:
    service.may_answer.clear()
    listener = listen()
    with associated(listener.server_address[1]) as association:
        statuses = []
        sender = threading.Thread(target=lambda: statuses.append(association.send_c_store(film_of("film")).Status))
        sender.start()
        assert service.asked.acquire(timeout=30)
        before = list(statuses)
        service.may_answer.set()
        sender.join(30)

    assert before == []
    assert statuses == [0]
    assert service.stored == {uid("film"): 1}
    assert counted(listener, "cxr_dimse_stores_total") == {"0000": 1}


@pytest.mark.clause("PS3.10 7.1", "file meta information is written, and the data set is left as it was sent")
def test_the_data_set_arrives_byte_by_byte_and_the_same_film_gives_the_same_file(port, service) -> None:
    statuses = [store(port, film()), store(port, film())]
    first, second = service.contents
    meta = dcmread(io.BytesIO(first)).file_meta
    data_set = first[132 + 12 + meta.FileMetaInformationGroupLength :]

    assert statuses == [0, 0]
    assert first == second
    assert film().endswith(data_set)
    assert len(data_set) > 1000
    assert (meta.MediaStorageSOPInstanceUID, meta.ImplementationClassUID) == (uid("film"), IMPLEMENTATION_UID)


@pytest.mark.clause("PS3.8 9.3.2", "transfer syntaxes that are decoded are accepted in a presentation context")
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_a_transfer_syntax_that_is_decoded_is_accepted(port, syntax) -> None:
    with associated(port, (CR,), syntaxes=[syntax]) as association:
        assert [context.transfer_syntax for context in association.accepted_contexts] == [[syntax]]


@pytest.mark.clause("PS3.8 9.3.3", "other SOP classes and transfer syntaxes are rejected by context")
def test_another_sop_class_or_transfer_syntax_gets_no_context(port) -> None:
    deflated = "1.2.840.10008.1.2.1.99"
    with associated(port, (CR, SECONDARY_CAPTURE)) as association:
        rejected = [context.abstract_syntax for context in association.rejected_contexts]
    with associated(port, (CR,), syntaxes=[deflated]) as association:
        is_established = association.is_established

    assert rejected == [SECONDARY_CAPTURE]
    assert not is_established


@pytest.mark.clause("PS3.4 B.2.3", "statuses of C-STORE: 0000, A700, A900, C000, and those of PS3.7 C")
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((503, failed(0xA700)), 0xA700),
        ((503, {}), 0xA700),
        ((429, {}), 0xA700),
        ((401, {}), 0xA700),
        ((500, {}), 0xA700),
        ((504, {}), 0xA700),
        ((200, {}), 0xA700),
        ((413, {}), 0xC000),
        ((409, failed(0x0122)), 0x0122),
        ((409, failed(0xA900)), 0xA900),
        ((409, failed(0xC122, "0008119A")), 0xC122),
        ((409, failed(0xC000, "0008119A")), 0xC000),
        ((202, referenced(uid("film"), 0xB000)), 0x0111),
        ((200, referenced(uid("film"))), 0),
    ],
)
def test_what_the_service_answers_decides_the_status(port, service, answer, status) -> None:
    service.answers = [answer]

    assert store(port, film()) == status
    assert service.stored == {}


def test_a_service_that_is_away_lets_the_sender_keep_the_film(listen, logged) -> None:
    port = listen(dimse_service_url="http://127.0.0.1:9").server_address[1]

    assert store(port, film()) == 0xA700
    assert {"service_unreachable", "store_refused"} <= {entry["event"] for entry in logged}


def test_a_data_set_that_is_not_what_was_announced_does_not_match(port, service) -> None:
    with associated(port) as association:
        statuses = [failed_class(association, film_dataset(), **other) for other in ({"SOPInstanceUID": "1.2.3"}, {})]

    assert statuses == [0xA900, 0]
    assert service.stored == {uid("film"): 1}


def test_a_data_set_that_cannot_be_read_is_not_understood(port, service) -> None:
    with associated(port) as association:
        broken = film_dataset()
        del broken.StudyInstanceUID

        assert failed_class(association, broken) == 0xC000
    assert service.headers == []


def test_an_urgent_request_is_urgent_and_every_request_carries_the_key(listen, service, tmp_path) -> None:
    key = tmp_path / "key"
    key.write_text("cxr_key\n")
    port = listen(dimse_api_key_file=key).server_address[1]
    store(port, film("urgent"), priority=1)
    store(port, film("usual"))
    urgent, usual = service.headers

    assert (urgent["x-priority"], "x-priority" in usual) == ("stat", False)
    assert urgent["x-api-key"] == usual["x-api-key"] == "cxr_key"


def test_a_key_that_cannot_be_read_lets_the_sender_keep_the_film(listen, service, tmp_path) -> None:
    port = listen(dimse_api_key_file=tmp_path / "none").server_address[1]

    assert store(port, film()) == 0xA700
    assert service.headers == []


def test_an_object_over_the_limit_is_refused_and_the_association_lives(listen, service) -> None:
    listener = listen(max_body_bytes=6000)
    with associated(listener.server_address[1]) as association:
        large = association.send_c_store(film_of("large", ImageComments="x" * 9000)).Status
        small = association.send_c_store(film_of("small")).Status

    assert (large, small) == (0xC000, 0)
    assert service.stored == {uid("small"): 1}
    assert listener.reception.metrics.object_bytes._value.get() == 0


def test_objects_that_are_too_many_at_once_are_for_later(listen, service) -> None:
    service.may_answer.clear()
    listener = listen(max_body_bytes=12_000, max_inflight_bytes=12_000)
    port = listener.server_address[1]
    comments = "x" * 5000
    with associated(port) as first, associated(port) as second:
        statuses = []
        sender = threading.Thread(
            target=lambda: statuses.append(first.send_c_store(film_of("a", ImageComments=comments)).Status)
        )
        sender.start()
        assert service.asked.acquire(timeout=30)
        late = second.send_c_store(film_of("b", ImageComments=comments)).Status
        service.may_answer.set()
        sender.join(30)

    assert (late, statuses) == (0xA700, [0])
    assert listener.reception.metrics.object_bytes._value.get() == 0
