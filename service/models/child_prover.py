"""A bundle is first loaded and proved in a child process: what never ends there, or takes all memory, ends with it.

Children are forked from a process that was forked from the service before it had a thread. So they have every library
already and start in milliseconds, and no lock of the service is held in them.
"""

import contextlib
import ctypes
import gc
import math
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Final

from bundle.golden import check_golden, read_golden, warm
from bundle.opening import Bundle
from bundle.session import open_session, run_in_batches
from imaging.libraries import forbid_core_dumps
from schemas.errors import BundleError, CxrError
from service.answers.decision import load_statistics
from service.engine.film_queue import batch_sizes
from service.engine.tuned import profile_of, tuned
from service.models.prover import Proof, Result
from service.settings import EngineSettings, ModelSettings

CLOCK: Final = 6
"""Seconds on the clock for each second of a processor that a child may take: films go first."""
_NICENESS: Final = 19
_PR_SET_PDEATHSIG: Final = 1
_ENDED: Final = "no process that proves bundles is left; restart the service"


class ChildProver:
    """A `Prover` behind one process that lives as long as the service; Linux alone.

    Invariant: one bundle is proved at a time, and its child has ended when `proving` is left.
    """

    def __init__(self, models: ModelSettings, engine: EngineSettings) -> None:
        self._work = _Work(engine, models.load_timeout_s, models.load_memory_bytes)
        self._requests: Connection | None = None
        self._server: int | None = None
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Fork the process from which children are forked; nothing but the main thread may run yet."""
        if sys.platform != "linux":  # elsewhere a forked process must not compute, and only development is done there
            yield
            return
        ours, theirs = Pipe()
        with warnings.catch_warnings():  # Python 3.12 counts the threads of OpenBLAS, which forks well
            warnings.simplefilter("ignore", DeprecationWarning)
            parent = os.getpid()
            self._server = os.fork()
        if self._server == 0:
            ours.close()
            _end_with(parent)
            gc.enable()  # a start is without
            with contextlib.suppress(BaseException):
                self._work.serve(theirs)
            os._exit(0)
        theirs.close()
        self._requests = ours
        try:
            yield
        finally:
            self.stop()
            os.waitpid(self._server, 0)

    @contextlib.contextmanager
    def proving(self, bundle: Bundle) -> Iterator[Result]:
        """See `Prover`."""
        if self._requests is None:
            yield lambda: None
            return
        with self._turn:
            proof = self._asked(bundle)
            proof.check()

            def result() -> float | None:
                nonlocal proof
                proof = self._asked(None) if not proof.ended else proof
                proof.check()
                return proof.selftest_error

            try:
                yield result
            finally:
                if not proof.ended:
                    with contextlib.suppress(BundleError):
                        self._asked(None)

    def _asked(self, bundle: Bundle | None) -> Proof:
        """The next thing that is found, of a new bundle or of the one before."""
        assert self._requests is not None  # noqa: S101 its callers looked
        try:
            if bundle is not None:
                self._requests.send(bundle)
            proof: Proof = self._requests.recv()
        except (OSError, EOFError) as error:
            raise BundleError(_ENDED) from error
        return proof

    def stop(self) -> None:
        """See `Prover`."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._server, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the process does from which children are forked, and what they do."""

    engine: EngineSettings
    timeout_s: int
    memory_bytes: int

    def serve(self, requests: Connection) -> None:
        """Prove the bundles that are sent, until the service ends."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the service decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        niceness = 0  # of the first: until it serves, there is no film that could go first
        while True:
            try:
                bundle: Bundle = requests.recv()
            except EOFError:
                return
            for proof in self._supervised(bundle, niceness):
                requests.send(proof)
            niceness = _NICENESS

    def _supervised(self, bundle: Bundle, niceness: int) -> Iterator[Proof]:
        """What a child finds; the last is a proof that has ended."""
        reading, writing = Pipe(duplex=False)
        parent = os.getpid()
        try:
            child = os.fork()
        except OSError as error:
            yield Proof(refusal=f"{bundle.directory.name}: no process to prove it can be started ({error.strerror})")
            return
        if child == 0:
            with contextlib.suppress(BaseException):
                _end_with(parent)
                self._confine(niceness)
                for proof in self._proved(bundle):
                    writing.send(proof)
            os._exit(0)
        writing.close()
        ends = time.monotonic() + self.timeout_s * CLOCK
        proof = Proof(ended=False)
        on_time = True
        while not proof.ended and (on_time := bool(wait([reading], ends - time.monotonic()))):
            try:
                proof = reading.recv()
            except EOFError:
                break
            yield proof
        if not on_time:
            os.kill(child, signal.SIGKILL)
        reading.close()
        status = os.waitpid(child, 0)[1]
        if not proof.ended:
            yield Proof(refusal=f"{bundle.directory.name}: {self._fate(status, on_time=on_time)}")

    def _fate(self, status: int, *, on_time: bool) -> str:
        """Why there is no proof."""
        if not on_time:
            return f"it was not loaded and proved within {self.timeout_s * CLOCK} s (six times CXR_LOAD_TIMEOUT_S)"
        number = os.waitstatus_to_exitcode(status)
        if number == -signal.SIGXCPU:
            return f"loading and proving it took over {self.timeout_s} s of a processor (CXR_LOAD_TIMEOUT_S)"
        return (
            f"loading and proving it ended its process (status {number}), which may take {self.memory_bytes} bytes "
            "(CXR_LOAD_MEMORY_BYTES)"
        )

    def _confine(self, niceness: int) -> None:
        os.nice(niceness)
        with contextlib.suppress(OSError):  # where there is no /proc, the limit of processor time has to do
            used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
            _lower(resource.RLIMIT_AS, used + self.memory_bytes)
        ends_s = math.ceil(time.process_time()) + self.timeout_s
        _lower(resource.RLIMIT_CPU, ends_s, ends_s + 1)  # at the first SIGXCPU, which says why; at the second SIGKILL
        forbid_core_dumps()
        with contextlib.suppress(OSError):  # where memory is short, the kernel takes this process and not the service
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # ONNX Runtime prints; the service's log is one JSON object a line
            os.dup2(nowhere, stream)

    def _proved(self, bundle: Bundle) -> Iterator[Proof]:
        """Everything that the service will do with the bundle, on the CPU; where CUDA serves, it compares by itself."""
        profile = profile_of(bundle, self.engine)
        engine = tuned(self.engine.of(bundle.manifest.name), profile, bundle.manifest.offered)
        try:
            session = open_session(bundle, intra_op_threads=engine.intra_op_threads, precision=engine.precision)
            load_statistics(bundle)
            yield Proof(ended=False)
            error = None
            if engine.provider == "cpu":
                error = check_golden(bundle, session.run, engine.precision).logits
            else:
                golden = read_golden(bundle, engine.precision)
                run_in_batches(session.run, golden["inputs"], golden["targets"], 1)
            warm(session.run, side=bundle.manifest.preprocess.size, sizes=batch_sizes(engine.largest_batch))
            yield Proof(selftest_error=error)
        except CxrError as refusal:
            yield Proof(refusal=str(refusal))
        except MemoryError:
            yield Proof(refusal=f"{bundle.directory.name}: it needs over {self.memory_bytes} bytes to be loaded")


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    """Set a limit; one of the operator's that is lower stays."""
    highest = soft if hard is None else hard
    present = resource.getrlimit(kind)[1]
    if present != resource.RLIM_INFINITY:
        highest = min(highest, present)
    resource.setrlimit(kind, (min(soft, highest), highest))


def _end_with(parent: int) -> None:
    """Let the kernel end this process when its parent ends, however that is."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
