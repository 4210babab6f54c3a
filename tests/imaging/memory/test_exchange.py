"""What a file in memory gives back of what was put into it."""

import multiprocessing
import os

import numpy as np
import pytest

from imaging.memory.exchange import Exchange

PIXELS = np.arange(6, dtype=np.uint16).reshape(2, 3)


@pytest.fixture
def exchange():
    made = Exchange()
    yield made
    made.close()


def size_of(exchange):
    return os.fstat(exchange._descriptor).st_size


def test_pixels_come_out_as_they_were_put_in_and_leave_nothing_behind(exchange) -> None:
    exchange.put(PIXELS[:, ::2])

    taken = exchange.take((2, 2), "<u2")

    assert taken.tolist() == [[0, 2], [3, 5]]
    assert size_of(exchange) == 0


def test_what_is_put_replaces_what_was_there(exchange) -> None:
    exchange.put(b"a long frame")
    exchange.put(b"short")

    assert exchange.read(5) == b"short"
    assert size_of(exchange) == 5


def test_what_was_cut_short_is_an_error_and_no_signal(exchange) -> None:
    exchange.put(PIXELS)
    os.ftruncate(exchange._descriptor, 4)

    with pytest.raises(EOFError, match="holds 4 bytes instead of 12"):
        exchange.take((2, 3), "<u2")


def test_a_file_of_no_bytes_can_be_put_and_read(exchange) -> None:
    exchange.put(b"")

    assert exchange.read(0) == b""


def double(exchange) -> None:
    exchange.put(2 * exchange.take((2, 3), "<u2"))


@pytest.mark.process
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_child_answers_through_it(exchange, method) -> None:
    exchange.put(PIXELS)
    child = multiprocessing.get_context(method).Process(target=double, args=(exchange,))
    child.start()
    child.join()

    assert np.array_equal(exchange.take((2, 3), "<u2"), 2 * PIXELS)
