"""What a hostile frame may do to the process that decodes it, and to nobody else."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from imaging.decode import decode
from imaging.dicom.child_decoder import ChildDecoder
from imaging.dicom.codecs import EncapsulatedFrame
from imaging.dicom.pixel_data import ImagePixel
from imaging.phantom import phantom
from schemas.errors import InvalidImageError
from tests.imaging.compressed import ENCODERS, compressed_film, encapsulated_film, killers
from tests.imaging.hanging import endless_film
from tests.waiting import wait_until

pytestmark = pytest.mark.process

FILM = phantom(64, 48, seed=4)
GOOD = compressed_film(FILM, uid.JPEGLossless)


def frame_of(pixels, syntax=uid.JPEG2000Lossless):
    rows, columns = pixels.shape
    bits = 8 * pixels.itemsize
    module = ImagePixel(rows, columns, 1, "MONOCHROME2", 0, bits, bits, bits - 1, signed=False)
    return EncapsulatedFrame(encapsulate([ENCODERS[syntax](pixels, bits)]), syntax, module)


class Deaths(list):
    """The reasons that a decoder told."""

    def __call__(self, reason):
        self.append(reason)


@pytest.fixture
def deaths():
    return Deaths()


@pytest.fixture
def decoder(deaths):
    with ChildDecoder(workers=1, timeout_s=30, on_death=deaths) as started:
        yield started


def pool_of(decoder):
    return decoder._idle.queue[-1]  # the one that was used last


def child_of(decoder):
    (child,) = pool_of(decoder)._pool_manager.worker_manager.workers
    return child


def decodes(pool):
    """Whether its child has said that it read a frame; before that, its death would be no frame's fault."""
    return any(task.started for task in pool._pool_manager.task_manager.tasks.copy().values())


def test_a_child_gives_what_the_codec_gives_here(decoder, deaths) -> None:
    assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)
    assert deaths == []


@pytest.mark.parametrize("killer", killers(FILM), ids=lambda killer: killer[0])
def test_a_frame_that_aborts_its_child_fails_alone(decoder, deaths, killer) -> None:
    syntax, fragments = killer[1:]

    with pytest.raises(InvalidImageError, match="made its decoder fail"):
        decode(encapsulated_film(fragments, syntax, FILM), frame_decoder=decoder)

    # Seen before the word that the frame arrived, a death counts as an idle child's, and the frame is tried again.
    assert deaths[-1] == "crashed"
    assert set(deaths[:-1]) <= {"lost"}
    assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)


def test_a_child_that_is_killed_while_it_decodes_fails_its_own_film_only(deaths) -> None:
    with ChildDecoder(workers=1, timeout_s=60, on_death=deaths) as decoder, ThreadPoolExecutor(1) as caller:
        decode(GOOD, frame_decoder=decoder)
        pool = pool_of(decoder)
        child = child_of(decoder)
        failed = caller.submit(decode, endless_film(), frame_decoder=decoder)
        wait_until(lambda: decodes(pool), "the child decodes")
        os.kill(child, signal.SIGKILL)
        with pytest.raises(InvalidImageError, match="made its decoder fail"):
            failed.result()

        assert deaths == ["crashed"]
        assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)


def test_the_death_of_an_idle_child_costs_no_film(decoder, deaths) -> None:
    decode(GOOD, frame_decoder=decoder)
    os.kill(child_of(decoder), signal.SIGKILL)

    for _ in range(3):
        assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)
    assert set(deaths) <= {"lost"}


def test_the_death_of_an_idle_child_costs_no_film_that_comes_at_that_moment(decoder, deaths, monkeypatch) -> None:
    decode(GOOD, frame_decoder=decoder)
    pool = pool_of(decoder)
    child = child_of(decoder)
    waiting = pool._context.task_queue
    accept = waiting.put

    def accept_while_the_pool_breaks(task) -> None:
        monkeypatch.undo()
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: not pool.active, "the death is noticed")
        accept(task)

    monkeypatch.setattr(waiting, "put", accept_while_the_pool_breaks)

    assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)
    assert deaths == ["lost"]


def test_a_frame_that_aborts_its_child_is_invalid_also_after_the_death_of_an_idle_child(decoder, deaths) -> None:
    decode(GOOD, frame_decoder=decoder)
    os.kill(child_of(decoder), signal.SIGKILL)
    (_, syntax, fragments), *_ = killers(FILM)

    with pytest.raises(InvalidImageError, match="made its decoder fail"):
        decode(encapsulated_film(fragments, syntax, FILM), frame_decoder=decoder)
    assert deaths[-1] == "crashed"


def test_a_frame_that_takes_too_long_is_given_up_and_its_child_ended(deaths) -> None:
    large = frame_of(np.random.default_rng(0).integers(0, 65536, (3000, 3000), np.uint16))
    with ChildDecoder(workers=1, timeout_s=0.3, on_death=deaths) as decoder:
        with pytest.raises(InvalidImageError, match=r"took over 0\.3 s"):
            decoder(large)

        assert deaths == ["timed_out"]
        decoder._timeout_s = 30  # the next child must answer, and may be as slow as the machine
        assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)


def test_a_frame_that_never_ends_gives_way_after_the_time_of_its_pixels(decoder, deaths) -> None:
    with pytest.raises(InvalidImageError, match=r"took over 4\.2 s; send it uncompressed"):
        decode(endless_film(), frame_decoder=decoder)

    assert deaths == ["timed_out"]
    assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)


@pytest.mark.parametrize(
    ("syntax", "rows", "columns", "limit_s"),
    [
        (uid.JPEGLosslessSV1, 64, 48, 3.0),
        (uid.JPEGLosslessSV1, 3000, 3000, 5.7),
        (uid.JPEG2000Lossless, 2000, 2000, 11.0),
        (uid.JPEG2000Lossless, 8000, 5000, 20.0),
        (uid.RLELossless, 8000, 5000, 15.0),
    ],
)
def test_the_time_of_a_frame_grows_with_its_pixels(syntax, rows, columns, limit_s) -> None:
    module = ImagePixel(rows, columns, 1, "MONOCHROME2", 0, 16, 12, 11, signed=False)

    assert ChildDecoder(workers=1).limit_s(EncapsulatedFrame(b"", syntax, module)) == pytest.approx(limit_s, abs=0.05)


def test_a_frame_that_needs_more_memory_than_a_child_may_have_is_invalid(deaths) -> None:
    large = frame_of(np.zeros((5000, 5000), np.uint16))
    with ChildDecoder(workers=1, memory_bytes=300 * 1024**2, on_death=deaths) as decoder:
        with pytest.raises(InvalidImageError):
            decoder(large)

        assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)


def test_more_callers_than_children_take_turns() -> None:
    films = [phantom(64, 48, seed=seed) for seed in range(8)]
    with ChildDecoder(workers=2) as decoder, ThreadPoolExecutor(8) as callers:
        compressed = [compressed_film(film, uid.JPEGLSLossless) for film in films]
        shown = list(callers.map(lambda data: decode(data, frame_decoder=decoder).pixels, compressed))

    assert all(np.array_equal(*pair) for pair in zip(shown, films, strict=True))


def test_nothing_is_started_before_the_first_frame_and_nothing_is_left_at_the_end() -> None:
    with ChildDecoder(workers=2) as decoder:
        assert not pool_of(decoder)._pool_manager.worker_manager.workers
        decode(GOOD, frame_decoder=decoder)
        child = child_of(decoder)

    assert not Path(f"/proc/{child}").exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "decoder-end"]


def test_a_child_that_is_started_early_takes_the_first_frame() -> None:
    with ChildDecoder(workers=2) as decoder:
        decoder.start_child()
        pools = list(decoder._idle.queue)
        workers = [pool._pool_manager.worker_manager.workers for pool in pools]
        wait_until(lambda: any(workers), "a child exists")
        (early,) = [child for children in workers for child in children]

        assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)
        assert child_of(decoder) == early


def test_neither_a_frame_nor_its_pixels_stay_in_the_exchange(decoder) -> None:
    decode(GOOD, frame_decoder=decoder)

    assert os.fstat(pool_of(decoder).exchange._descriptor).st_size == 0


def test_the_end_of_a_decoder_closes_what_it_opened() -> None:
    def files():
        opened = Path("/proc/self/fd").iterdir()
        return [str(each.readlink()) for each in opened if each.is_symlink()]

    with ChildDecoder(workers=2) as decoder:
        decode(GOOD, frame_decoder=decoder)
        assert any("exchange" in file for file in files())

    assert not any("exchange" in file for file in files())


@pytest.mark.parametrize("syntax", ENCODERS)
def test_mutated_frames_give_a_film_or_an_error_of_ours(decoder, syntax) -> None:
    frame = ENCODERS[syntax](FILM, 8)
    random = np.random.default_rng(5)
    for _ in range(40):
        mutated = bytearray(frame)
        for _ in range(random.integers(1, 4)):
            # most of a frame's meaning stands in its first bytes
            at = random.integers(min(120, len(frame)) if random.random() < 0.7 else len(frame))
            mutated[at] = random.choice([0, 1, 127, 128, 255])
        try:
            shown = decode(encapsulated_film(encapsulate([bytes(mutated)]), syntax, FILM), frame_decoder=decoder)
        except InvalidImageError:
            continue
        assert shown.pixels.shape == FILM.shape

    assert np.array_equal(decode(GOOD, frame_decoder=decoder).pixels, FILM)
