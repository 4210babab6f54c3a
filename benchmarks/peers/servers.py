"""A peer that runs: started, loaded, watched from outside, and ended with everything that it started."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from benchmarks.peers.apps.pipeline import BUNDLE, PORT, PRECISION, WORKERS
from benchmarks.peers.environments import CACHE, python_of
from benchmarks.peers.load import Load, parsed, run_wrk
from benchmarks.peers.machine import family
from benchmarks.peers.peers import PEERS, ROOT, Launch
from benchmarks.peers.results import BARE, OURS

START_TIMEOUT_S: Final = 120
END_TIMEOUT_S: Final = 15


class StartError(Exception):
    """A peer did not answer a film in time, or ended."""


class Running(Protocol):
    """A peer that answers films."""

    first_answer_s: float

    def load(self, clients: int, seconds: int) -> Load:
        """One window."""
        ...

    def family(self) -> list[int]:
        """Its processes."""
        ...


class HttpServer:
    """A peer behind HTTP."""

    def __init__(self, process: subprocess.Popen[str], port: int, films: Sequence[Path], script: Path) -> None:
        """`script` is that of `benchmarks.peers.load.write_script`."""
        self._process = process
        self._port = port
        self._films = films
        self._script = script
        self.first_answer_s = 0.0

    def wait(self, started: float) -> None:
        """Post a film again and again until it is answered.

        Raises:
            StartError: it never was.
        """
        film = self._films[0].read_bytes()
        while self._status(film) != http.client.OK:
            if self._process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_S:
                msg = f"it answered no film within {START_TIMEOUT_S} s"
                raise StartError(msg)
            time.sleep(0.02)
        self.first_answer_s = time.perf_counter() - started

    def load(self, clients: int, seconds: int) -> Load:
        """One window; see `Running`."""
        return run_wrk(self._script, f"http://127.0.0.1:{self._port}/predict", self._films, clients, seconds)

    def family(self) -> list[int]:
        """Its processes."""
        return family(self._process.pid)

    def get(self, path: str) -> str:
        """The body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def _status(self, film: bytes) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=START_TIMEOUT_S)
        try:
            connection.request("POST", "/predict", film, {"Content-Type": "image/jpeg"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class BareProcesses:
    """The limit: no HTTP, orders through a pipe."""

    def __init__(self, process: subprocess.Popen[str], workers: int) -> None:
        """`workers` are processes."""
        self._process = process
        self._workers = workers
        self.first_answer_s = 0.0

    def wait(self, started: float) -> None:
        """Wait until every process has answered a film.

        Raises:
            StartError: one has not.
        """
        if self._line() != "ready":
            msg = "it ended before it was ready"
            raise StartError(msg)
        self.first_answer_s = time.perf_counter() - started

    def load(self, clients: int, seconds: int) -> Load:
        """One window: as many processes as clients, and no more than cores."""
        assert self._process.stdin is not None  # noqa: S101 a pipe was asked for
        self._process.stdin.write(f"{min(clients, self._workers)} {seconds}\n")
        self._process.stdin.flush()
        return parsed(self._line())

    def family(self) -> list[int]:
        """Its processes."""
        return family(self._process.pid)

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 a pipe was asked for
        return self._process.stdout.readline().strip()


@contextmanager
def running(name: str, bundle: Path, precision: str, films: Sequence[Path], script: Path) -> Iterator[Running]:
    """Start a peer; it and all its children are gone afterwards.

    Raises:
        StartError: it answers no film; the message names its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        launch = Launch(bundle, precision, probe.getsockname()[1], len(os.sched_getaffinity(0)))
    python = python_of(PEERS[name].lock)
    CACHE.mkdir(parents=True, exist_ok=True)
    log = CACHE / f"{name}.log"
    with log.open("w") as stream:
        started = time.perf_counter()
        process = _start(name, launch, python, films, stream)
        try:
            server: HttpServer | BareProcesses
            bare = name == BARE
            server = BareProcesses(process, launch.workers) if bare else HttpServer(process, launch.port, films, script)
            server.wait(started)
            yield server
        except StartError as error:
            msg = f"{name} at {precision}: {error}; its log is {log.relative_to(ROOT)}"
            raise StartError(msg) from error
        finally:
            end(process)


def _start(name: str, launch: Launch, python: Path, films: Sequence[Path], stream: IO[str]) -> subprocess.Popen[str]:
    arguments = PEERS[name].arguments(launch)
    pipe = subprocess.PIPE if name == BARE else None
    return subprocess.Popen(
        [str(python), *arguments, *(map(str, films) if name == BARE else ())],
        cwd=ROOT,
        env=environment(name, launch),
        stdin=pipe or subprocess.DEVNULL,
        stdout=pipe or stream,
        stderr=stream,
        text=True,
        start_new_session=True,
    )


def environment(name: str, launch: Launch) -> dict[str, str]:
    """Variables of a peer: the service gets its own alone, the others the pipeline's and one thread."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CXR_", "PEER_", "PYTHON", "OMP_"))}
    if name == OURS:
        models = launch.bundle.parent.parent
        chosen = {"PORT": str(launch.port), "MODELS_DIR": str(models), "PRECISION": launch.precision}
        return kept | {f"CXR_{key}": value for key, value in chosen.items()}
    chosen = {
        BUNDLE: str(launch.bundle),
        PRECISION: launch.precision,
        WORKERS: str(launch.workers),
        PORT: str(launch.port),
    }
    return kept | chosen | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | dict(PEERS[name].variables)


def leave_nothing_running() -> None:
    """Make SIGTERM end this program as Ctrl+C does: by an exception, so that the servers end too."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def end(process: subprocess.Popen[str]) -> None:
    """End a peer and whoever of its family outlives it: some leave children behind."""
    left = family(process.pid)
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_TIMEOUT_S)
    # Those that were seen before, for an orphan that began a session of its own is found no other way.
    for orphan in {*left, *family(process.pid)} - {process.pid}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(orphan, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
