"""Rules of who is let in, and of connections that come to nothing, spoken over loopback."""

import struct
from contextlib import ExitStack

import pytest

from service.dimse import door
from service.dimse.door import MOST_BEGUN, Door
from tests.service.chosen import settings_of
from tests.service.dimse.calls import (
    associated,
    connect,
    counted,
    echo,
    raw_association,
    received,
    request_bytes,
    until_closed,
)
from tests.waiting import wait_until


def rejection(port, **request):
    """Result, source and reason of the A-ASSOCIATE-RJ; None where there is none."""
    connection = connect(port)
    connection.sendall(request_bytes(**request))
    answer = until_closed(connection) if connection else b""
    return tuple(answer[7:10]) if answer[0] == 3 else None


@pytest.mark.clause("PS3.8 9.3.4", "A-ASSOCIATE-RJ, permanent, for AE titles that are not known")
def test_titles_that_may_not_call_and_wrong_called_titles_are_rejected_for_good(listen) -> None:
    listener = listen(dimse_calling_titles=("MODALITY", "OTHER ROOM"))
    port = listener.server_address[1]

    assert rejection(port, calling="STRANGER") == (1, 1, 3)
    assert rejection(port, called="PACS", calling="MODALITY") == (1, 1, 7)
    assert [echo(port, calling=title) for title in ("MODALITY", "OTHER ROOM")] == [0, 0]
    assert counted(listener, "cxr_dimse_connections_total")["title"] == 2


def test_without_a_list_every_title_may_call_on_this_machine(port) -> None:
    assert echo(port, calling="ANYBODY") == 0


def test_the_process_itself_may_always_be_asked_from_this_machine(listen) -> None:
    assert echo(listen(dimse_calling_titles=("MODALITY",)).server_address[1], calling="CXR") == 0


@pytest.mark.parametrize(
    ("address", "may_call"),
    [
        ("10.1.2.3", True),
        ("10.2.0.1", False),
        ("::ffff:10.1.2.3", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("fd00::7", True),
        ("fd01::7%eth0", False),
    ],
)
def test_an_address_may_call_where_a_network_of_the_settings_holds_it(address, may_call) -> None:
    import ipaddress

    networks = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/64"))

    assert Door(settings_of(dimse_calling_addresses=networks).dimse).lets_in(address) is may_call
    assert Door(settings_of().dimse).lets_in(address)


@pytest.mark.clause("PS3.8 9.3.4", "A-ASSOCIATE-RJ, transient, where there is no place")
def test_one_association_too_many_is_rejected_for_now_and_its_place_is_free_again(listen) -> None:
    listener = listen(dimse_max_associations=2)
    port = listener.server_address[1]
    with associated(port), associated(port):
        assert rejection(port) == (2, 3, 2)
    wait_until(lambda: echo(port) == 0, "a place is free")

    assert counted(listener, "cxr_dimse_connections_total")["full"] >= 1


def test_connections_that_send_nothing_keep_nobody_out(listen) -> None:
    listener = listen(dimse_max_associations=1)
    port = listener.server_address[1]
    with ExitStack() as stack:
        begun = [stack.enter_context(connect(port)) for _ in range(MOST_BEGUN + 20)]
        wait_until(lambda: counted(listener, "cxr_dimse_connections_total").get("evicted", 0) >= 20, "the oldest went")

        assert echo(port) == 0
        assert received(begun[0], 1) == b""
        assert listener.reception.door.begun <= MOST_BEGUN


def test_a_request_that_does_not_come_in_time_ends_its_connection(listen, monkeypatch) -> None:
    monkeypatch.setattr(door, "REQUEST_S", 0.3)
    listener = listen()
    connection = connect(listener.server_address[1])
    connection.sendall(request_bytes()[:40])

    assert until_closed(connection) == b""
    assert set(counted(listener, "cxr_dimse_connections_total")) <= {"late", "evicted"}


@pytest.mark.clause("PS3.8 9.3.8", "A-ABORT for what is not an association request")
@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack(">BxL", 1, 0xFFFFFFFF),
        struct.pack(">BxL", 1, 10) + bytes(10),
        struct.pack(">BxL", 4, 100) + bytes(100),
    ],
)
def test_what_is_no_request_is_aborted(listen, content) -> None:
    listener = listen()
    connection = connect(listener.server_address[1])
    connection.sendall(content)

    assert until_closed(connection)[:1] == b"\x07"
    wait_until(lambda: counted(listener, "cxr_dimse_connections_total") == {"malformed": 1}, "its end is counted")


def test_an_association_that_sends_nothing_ends(listen) -> None:
    connection = raw_association(listen(dimse_idle_s=0.5).server_address[1])

    assert until_closed(connection)[:1] in (b"\x07", b"")
