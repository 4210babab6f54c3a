"""A `FrameDecoder` whose codecs run in child processes: a frame that kills its child costs no other film."""

import contextlib
import gc
import math
import multiprocessing
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing.context import ForkServerContext
from types import TracebackType
from typing import Any, Final, Self

from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from imaging.dicom.codecs import EncapsulatedFrame, decode_frame, frame_limit_s
from imaging.dicom.socket_folder import make_room_for_socket
from imaging.dicom.transfer_syntaxes import name_of
from imaging.libraries import forbid_core_dumps
from imaging.memory.allocator import LARGE_BYTES, give_back_freed_memory
from imaging.memory.exchange import Exchange
from schemas.errors import InternalError, InvalidImageError

# What a codec leaks ends with the child; a new one costs 0.1 s, so 1 ms a film.
_FILMS_PER_CHILD = 100
# In addition to the codec's time: the start of a child, and the copies of 80 MB.
_AROUND_S = 10.0
# Of the pixels that a codec makes on its way.
_CODEC_COPIES = 4
# How often a caller who waits looks whether its pool still works.
_LOOK_S = 0.5
# What pydicom imports with the first frame of its kind; the fork server does it once.
_CODECS = ("gdcm", "jpeg_ls", "openjpeg")

_HANDED: Final[list[Exchange]] = []
"""Of a child: the exchange of its pool."""


class _Pool(ProcessPool):
    """One child, and the exchange through which its frames and pixels go."""

    def __init__(self, memory_bytes: int, context: ForkServerContext) -> None:
        self.exchange = Exchange()
        super().__init__(
            max_workers=1,
            max_tasks=_FILMS_PER_CHILD,
            initializer=_confine,
            initargs=(memory_bytes, self.exchange),
            context=context,
        )


class ChildDecoder:
    """Children that decode one frame at a time each, behind a pool of one so that none can block another.

    Invariant: `workers` pools exist while it is entered, each idle or lent to the one thread that waits for it; a
    pool whose child died, broke or was too slow is never used again. (A pebble pool breaks as a whole when an idle
    child dies, and its children share one pipe and one lock.) Nothing is started before `start_child` or the first
    frame, which then waits for its child: 0.05 s where the fork server is there (the service forks it from itself,
    `service.films.codec_server`), else 0.6 s, in which that starts and imports the codecs. It never decodes, so it
    survives.

    Frames and pixels travel through an `Exchange` of each pool: pickled through its pipe, 10 MB took 40 ms.
    """

    def __init__(
        self,
        *,
        workers: int,
        memory_bytes: int = 2 * 1024**3,
        timeout_s: float = 20.0,
        on_death: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare, without starting anything.

        Args:
            workers: frames that are decoded at the same time.
            memory_bytes: address space of a child.
            timeout_s: wall time and processor time of the largest frame; a smaller one has 3 s, and in addition what
                `TransferSyntax.seconds_per_megapixel` allows, so that one that hangs soon gives way to the next.
            on_death: called for each child that did not survive its work, with `crashed`, `timed_out` or `lost`.
        """
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._on_death = on_death
        self._context = multiprocessing.get_context("forkserver")
        self._workers = workers
        self._idle: queue.LifoQueue[_Pool] = queue.LifoQueue()

    def __enter__(self) -> Self:
        """Raises SettingsError where the fork server could not be reached."""
        make_room_for_socket()
        self._context.set_forkserver_preload([__name__, *(codec for codec in _CODECS if find_spec(codec))])
        for _ in range(self._workers):
            self._idle.put(self._new_pool())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pool in [self._idle.get() for _ in range(self._workers)]:
            _end(pool)

    def __call__(self, frame: EncapsulatedFrame, /) -> NDArray[Any]:
        """Decode one frame in a child; see `imaging.dicom.codecs.FrameDecoder`.

        Raises:
            InternalError: no child can be started.
        """
        pool = self._idle.get()
        name = name_of(frame.transfer_syntax)
        try:
            try:
                return self._ask(pool, frame)
            except RuntimeError:  # its child had died while it was idle, e.g. by the kernel's out-of-memory killer
                pool = self._replaced(pool, "lost")
                return self._ask(pool, frame)
        except RuntimeError as error:
            pool = self._replaced(pool, "lost")
            raise _unable() from error
        except TimeoutError as error:
            pool = self._replaced(pool, "timed_out")
            msg = f"decoding the {name} frame took over {self.limit_s(frame):.3g} s; send it uncompressed"
            raise InvalidImageError(msg) from error
        except (ProcessExpired, EOFError) as error:
            pool = self._replaced(pool, "crashed")
            msg = f"the {name} frame made its decoder fail; export the film again"
            raise InvalidImageError(msg) from error
        finally:
            self._idle.put(pool)

    def start_child(self) -> None:
        """Start one child, for the first frame; returns once that is under way. Others start with frames of theirs.

        Raises:
            InternalError: it cannot be started.
        """
        pool = self._idle.get()
        try:
            pool.schedule(_begin)
        except RuntimeError as error:
            raise _unable() from error
        finally:
            self._idle.put(pool)  # the next frame takes the pool that was put back last

    def _ask(self, pool: _Pool, frame: EncapsulatedFrame) -> NDArray[Any]:
        limit_s = self.limit_s(frame)
        pool.exchange.put(frame.data)
        arguments = (replace(frame, data=b""), len(frame.data), limit_s)
        future = pool.schedule(_decode_bounded, arguments, timeout=limit_s)
        end = time.monotonic() + limit_s + _AROUND_S
        while not wait([future], _LOOK_S).done:
            if not pool.active:  # pebble forgets a frame that it accepted while its pool broke
                msg = "the pool broke before it began with the frame"
                raise RuntimeError(msg)
            if time.monotonic() > end:
                raise TimeoutError
        return pool.exchange.take(*future.result())

    def limit_s(self, frame: EncapsulatedFrame) -> float:
        """The time that a frame of its size may take."""
        return frame_limit_s(frame, self._timeout_s)

    def _new_pool(self) -> _Pool:
        return _Pool(self._memory_bytes, self._context)

    def _replaced(self, pool: _Pool, reason: str) -> _Pool:
        self._on_death(reason)
        # A pool that lost its child in the middle of a message may take long to end: no caller waits for it.
        threading.Thread(target=_end, args=(pool,), name="decoder-end", daemon=True).start()
        return self._new_pool()


def _unable() -> InternalError:
    return InternalError("no process for decoding can be started; see memory and process limits of this machine")


def allowed_memory(memory_bytes: int) -> int:
    """Address space that a child gets: what is asked for, or the limit of the service itself (ulimit -v)."""
    highest = resource.getrlimit(resource.RLIMIT_AS)[1]
    return memory_bytes if highest == resource.RLIM_INFINITY else min(memory_bytes, highest)


def _end(pool: _Pool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]  # pebble leaves it untyped
    pool.join()
    pool.exchange.close()


def _begin() -> None:
    """Nothing: the child exists that was asked to do it."""


def _confine(memory_bytes: int, exchange: Exchange) -> None:
    """Take from a new child what it does not need; its limits end with it."""
    _HANDED.append(exchange)
    gc.freeze()  # what it shares with the fork server stays shared: a look for garbage would write to each object
    if sys.platform == "linux":  # macOS refuses every limit below what a process has mapped at its start
        allowed = allowed_memory(memory_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    forbid_core_dumps()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Python's handler would wait for the codec to return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # the codecs print what they think of a frame; the service's log is one JSON object a line
        os.dup2(nowhere, stream)


def _decode_bounded(frame: EncapsulatedFrame, size_bytes: int, cpu_s: float) -> tuple[tuple[int, ...], str]:
    """Decode with a limit of processor time, which holds even when the parent has died; the pixels are exchanged.

    Args:
        frame: without its bytes, which are in the exchange.
        size_bytes: of them.
        cpu_s: more than it may take.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    ends_s = math.ceil(used.ru_utime + used.ru_stime + cpu_s)
    with contextlib.suppress(ValueError):  # above a hard limit of the operator's, which then holds
        resource.setrlimit(resource.RLIMIT_CPU, (ends_s, resource.RLIM_INFINITY))
    (exchange,) = _HANDED
    pixels = decode_frame(replace(frame, data=exchange.read(size_bytes)))
    exchange.put(pixels)
    if pixels.nbytes > LARGE_BYTES // _CODEC_COPIES:
        give_back_freed_memory()
    return pixels.shape, pixels.dtype.str
