"""What runs in the processes that read films: one loads the network, and those that read are forked from it.

So the weights are in memory once, and a process that a film killed is replaced within milliseconds.
"""

import math
import os
import resource
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bundle.opening import Bundle
from imaging.dicom.codecs import EncapsulatedFrame, decode_frame, frame_limit_s
from imaging.libraries import forbid_core_dumps
from imaging.memory.allocator import LARGE_BYTES, give_back_freed_memory
from schemas.errors import CxrError, InternalError
from schemas.model.precision import Precision
from service.capacity.threads import SPARE, computing_threads
from service.engine.engine import Engine, OnnxEngine
from service.films.look import Decoding
from service.films.messages import Answer, Board, Failure, LookOrder, Need, RunOrder, Stage
from service.films.nursery import forget_signals, fork

FRAMES: Final = 100
"""Compressed frames that one process decodes: what a codec leaks ends with it."""
_SMALL_BYTES: Final = LARGE_BYTES
"""What a film may take without asking: no more than one for each process does."""
_OOM_SCORE: Final = "500"
_DESCRIPTORS: Final = 2


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """How films are read."""

    precision: Precision
    max_pixels: int
    memory_bytes: int
    """For the decoding of one compressed frame."""
    timeout_s: float
    """To decode the largest frame."""


def load_and_fork(orders: socket.socket) -> None:
    """Load the network, and tell so; then fork a process that reads for each pair of descriptors that arrives.

    It is not run here: that it ends is proved while it is loaded.

    Args:
        orders: a bundle and its `ReaderOptions`; then pairs of a socket and a `Board`'s memory, each with the niceness
            as its message.
    """
    _confine()
    with Connection(os.dup(orders.fileno())) as told:
        bundle: Bundle
        options: ReaderOptions
        bundle, options = told.recv()
        try:
            # A thread of its own gives way to films while it loads: niceness stays with those who are forked.
            with computing_threads(1, "loader", SPARE) as loading:
                load = partial(OnnxEngine.open, bundle, provider="cpu", intra_op_threads=1, precision=options.precision)
                engine = loading.submit(load).result()
        except CxrError as error:
            told.send(error)
            return
        give_back_freed_memory()  # 30 MB, of the graph while it was read and of its optimizations
        told.send(None)
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, 64, _DESCRIPTORS)
        if not message:
            return
        try:
            work = partial(_read, *descriptors, engine=engine, options=options)
            fork(partial(_apart, orders, int(message), work))
        except OSError:
            pass  # the service sees that the other end is closed
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def _confine() -> None:
    forget_signals()
    forbid_core_dumps()
    with suppress(OSError):  # where memory is short, the kernel takes this process and not the service
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # codecs and ONNX Runtime print; the service's log is one JSON object a line
        os.dup2(nowhere, stream)


def _apart(orders: socket.socket, niceness: int, work: Callable[[], None]) -> None:
    """In the child: what is its parent's is let go."""
    orders.close()
    os.nice(niceness)
    work()


def _read(connection: int, board: int, *, engine: Engine, options: ReaderOptions) -> None:
    with Connection(connection) as service:
        service.send(os.getpid())
        with suppress(EOFError, OSError):  # the service is gone, or needs this process no more
            _Reader(service, Board(board), engine, options).serve()


class _Reader:
    def __init__(self, service: "Connection[Any, Any]", board: Board, engine: Engine, options: ReaderOptions) -> None:
        self._service = service
        self._board = board
        self._engine = engine
        self._options = options
        self._decoding = Decoding(options.max_pixels, self._decode_frame)
        self._frames = 0

    def serve(self) -> None:
        """Work off orders, until the service closes its end."""
        while self._frames < FRAMES:
            order = self._service.recv()
            reply = self._reply(order)
            del order
            self._board.write(Stage.IDLE)
            self._service.send(reply)

    def _reply(self, order: LookOrder | RunOrder) -> Answer | Failure:
        try:
            if isinstance(order, RunOrder):
                return self._run(order.images, order.targets)
            return self._look(order)
        except CxrError as error:
            return Failure(error)
        except Exception as error:  # noqa: BLE001 supervisor: it is logged where logs are written
            steps = [f"{Path(step.filename).name}:{step.lineno}" for step in traceback.extract_tb(error.__traceback__)]
            msg = "the film could not be read; the reason is in the service's log"
            return Failure(InternalError(msg), f"{type(error).__name__} at {' '.join(steps)}")

    def _look(self, order: LookOrder) -> Answer:
        self._board.write(Stage.FILM)
        large = 0

        def reserve(size_bytes: int) -> None:
            nonlocal large
            if size_bytes > _SMALL_BYTES:
                self._ask(Need(size_bytes))
                large = size_bytes

        seen = self._decoding.seen(order.look, reserve)
        if large:
            give_back_freed_memory()
        is_last = self._frames >= FRAMES
        if not order.runs:
            return Answer(seen, None, is_last=is_last)
        image = seen.films[order.look.specs[0]].image[None]
        targets = None if order.target is None else np.array([order.target], np.int64)
        ran = self._run(image, targets)
        return Answer(seen, ran.outputs, ran.inference_s, is_last=is_last)

    def _run(self, images: NDArray[np.float32], targets: NDArray[np.int64] | None) -> Answer:
        self._board.write(Stage.NETWORK)
        start = time.perf_counter()
        outputs = self._engine.run(images, targets)
        return Answer(None, outputs, time.perf_counter() - start)

    def _ask(self, need: Need) -> None:
        self._service.send(need)
        if (refusal := self._service.recv()) is not None:
            raise refusal

    def _decode_frame(self, frame: EncapsulatedFrame, /) -> NDArray[Any]:
        """Decode within limits of memory and time, which end the process; see `imaging.dicom.codecs.FrameDecoder`."""
        self._frames += 1
        limit_s = frame_limit_s(frame, self._options.timeout_s)
        self._board.write(Stage.FRAME, frame.transfer_syntax, limit_s)
        with (
            _limited(resource.RLIMIT_CPU, math.ceil(time.process_time() + limit_s)),
            _limited(resource.RLIMIT_AS, _mapped_bytes() + self._options.memory_bytes),
        ):
            pixels = decode_frame(frame)
        self._board.write(Stage.FILM)
        return pixels


@contextmanager
def _limited(kind: int, soft: int) -> Iterator[None]:
    """A limit as long as a codec works; one of the operator's that is lower stays."""
    before, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (before, hard))


def _mapped_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
