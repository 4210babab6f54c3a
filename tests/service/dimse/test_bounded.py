"""Rules of hostile associations: none of them ends the process, fills its memory, or keeps others out."""

import random
import resource
import struct
import threading
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.dimse.bounded import LARGEST_COMMAND_BYTES, ObjectBuffer, Room
from tests.service.dicomweb.films import film
from tests.service.dimse.calls import (
    CR,
    connect,
    echo,
    p_data,
    raw_association,
    request_bytes,
    store,
    until_closed,
)
from tests.waiting import wait_until

SEED = 20261129
ROUNDS = 60


def command(**elements) -> bytes:
    """A command set in Implicit VR Little Endian."""
    return b"".join(
        struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in sorted((elements["elements"]).items())
    )


STORE_COMMAND = command(
    elements={
        0x0002: (CR + "\0").encode(),
        0x0100: struct.pack("<H", 1),
        0x0110: struct.pack("<H", 1),
        0x0700: struct.pack("<H", 0),
        0x0800: struct.pack("<H", 1),
        0x1000: b"1.2.3\0",
    }
)
ECHO_COMMAND = command(
    elements={
        0x0002: b"1.2.840.10008.1.1\0",
        0x0100: struct.pack("<H", 0x30),
        0x0110: struct.pack("<H", 1),
        0x0800: struct.pack("<H", 0x101),
    }
)


def is_ended(connection, content) -> bool:
    """Whether the other side ends the association after this."""
    with suppress(OSError):
        connection.sendall(content)
    return until_closed(connection)[-10:][:1] in (b"\x07", b"")


def test_a_pdu_that_announces_four_gigabytes_ends_its_association_before_they_come(port) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert is_ended(raw_association(port), struct.pack(">BxL", 4, 0xFFFFFFFF) + bytes(100_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # in kB
    assert echo(port) == 0


@pytest.mark.clause("PS3.7 9.3", "malformed command sets end their own association alone")
@pytest.mark.parametrize(
    "content",
    [
        p_data(b"rubbish", last=True, command=True),
        p_data(b"", last=True, command=True),
        p_data(STORE_COMMAND, last=True, command=True, context=99) + p_data(b"x", last=True, command=False, context=99),
        struct.pack(">BxL", 4, 6) + struct.pack(">LBB", 0, 1, 3),
        struct.pack(">BxL", 4, 6) + struct.pack(">LBB", 0xFFFFFFFF, 1, 3),
        struct.pack(">BxL", 99, 4) + bytes(4),
        p_data(b"\0" * 30_000, last=False, command=True) * (LARGEST_COMMAND_BYTES // 30_000 + 1),
        p_data(ECHO_COMMAND, last=True, command=True) * 500,
    ],
    ids=["command", "empty", "context", "no fragment", "long fragment", "kind", "long command", "flood"],
)
def test_messages_that_cannot_be_end_their_association_and_no_other(port, content) -> None:
    assert is_ended(raw_association(port), content)
    assert store(port, film()) == 0


def test_an_object_that_does_not_arrive_in_time_ends_its_association(listen) -> None:
    listener = listen(upload_timeout_s=0.2)
    connection = raw_association(listener.server_address[1])
    connection.sendall(p_data(STORE_COMMAND, last=True, command=True))
    sent = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while not sent.wait(0.05):
                connection.sendall(p_data(b"x", last=False, command=False))

    dripping = threading.Thread(target=drip)
    dripping.start()
    ended = until_closed(connection)
    sent.set()
    dripping.join()

    assert ended[-10:][:1] == b"\x07"
    wait_until(lambda: listener.reception.metrics.object_bytes._value.get() == 0, "the room is given back")


def test_a_sender_in_the_middle_of_an_object_keeps_nobody_waiting_and_takes_no_room_when_it_leaves(listen) -> None:
    listener = listen()
    port = listener.server_address[1]
    connection = raw_association(port)
    connection.sendall(p_data(STORE_COMMAND, last=True, command=True) + p_data(bytes(9000), last=False, command=False))
    wait_until(lambda: listener.reception.metrics.object_bytes._value.get() == 9000, "the part arrived")

    assert store(port, film()) == 0
    connection.close()
    wait_until(lambda: listener.reception.metrics.object_bytes._value.get() == 0, "the room is given back")


def mutated(chance: random.Random, whole: bytes) -> bytes:
    """Truncated, with bytes changed, with a length changed, or random from the start."""
    kind = chance.randrange(4)
    if kind == 0:
        return whole[: chance.randrange(len(whole))]
    if kind == 1:
        changed = bytearray(whole)
        for _ in range(chance.randrange(1, 20)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    if kind == 2:
        return whole[:2] + chance.randbytes(4) + whole[6:]
    return chance.randbytes(chance.randrange(1, 5000))


@pytest.mark.clause("PS3.8 9.2", "fuzzed PDUs leave the process as it was")
@pytest.mark.slow
def test_random_bytes_before_and_within_associations_leave_the_process_as_it_was(listen, service) -> None:
    # A place for each: where the machine is busy, those before may not have ended yet.
    listener = listen(dimse_idle_s=1.0, dimse_max_associations=2 * ROUNDS + 1)
    port = listener.server_address[1]
    chance = random.Random(SEED)
    message = p_data(STORE_COMMAND, last=True, command=True) + p_data(film()[200:], last=True, command=False)
    for _ in range(ROUNDS):
        before = connect(port)
        within = raw_association(port)
        for connection, content in ((before, mutated(chance, request_bytes())), (within, mutated(chance, message))):
            with suppress(OSError):
                connection.sendall(content)
            connection.close()
    wait_until(lambda: not listener.active_associations, "all associations have ended")
    assert store(port, film()) == 0
    wait_until(lambda: not listener.active_associations, "that one, too")
    wait_until(lambda: listener.reception.metrics.object_bytes._value.get() == 0, "no room is taken")
    door = listener.reception.door
    wait_until(lambda: (door.begun, door._taken) == (0, 0), "no place is taken")


def test_a_buffer_forgets_what_is_too_large_and_gives_its_room_back() -> None:
    gauge = Gauge("bytes", "of the test", registry=CollectorRegistry())
    room = Room(100, gauge)
    large = ObjectBuffer(room, 50)
    other = ObjectBuffer(room, 50)
    for _ in range(6):
        large.write(bytes(10))
    other.write(bytes(50))
    third = ObjectBuffer(room, 60)
    third.write(bytes(60))

    assert (large.too_large, large.no_room, large.getvalue()) == (True, False, b"")
    assert (other.too_large, other.no_room) == (False, False)
    assert (third.too_large, third.no_room) == (False, True)
    assert gauge._value.get() == 50
    other.close()
    other.close()
    assert gauge._value.get() == 0
