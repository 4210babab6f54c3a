"""The real server process, and what can be seen of it from outside."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from types import MappingProxyType
from typing import Any

READY_TIMEOUT_S = 60


class Server:
    """A running `python -m service`."""

    def __init__(self, *, lever: Path | None = None, **settings: object) -> None:
        """Start it.

        Args:
            lever: file that commands its engine, see `benchmarks.resilience.lever`; None: the service as it is.
            settings: by their names, without the prefix CXR_.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CXR_")}
        chosen = {f"CXR_{name.upper()}": str(value) for name, value in settings.items()}
        environment = {**kept, "CXR_PORT": str(self.port), "CXR_LOG_FORMAT": "json", **chosen}
        self.models_dir = Path(chosen.get("CXR_MODELS_DIR", "models"))
        program = ["service"] if lever is None else ["benchmarks.resilience.lever", str(lever)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._log: list[bytes] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 a pipe was asked for
        with self.process.stdout as lines:  # a pipe, for a file would be full where the experiment fills the disk
            self._log.extend(lines)

    def wait_until_ready(self) -> None:
        """Poll /readyz."""
        end = time.monotonic() + READY_TIMEOUT_S
        while self.status("/readyz") != http.client.OK:
            if self.process.poll() is not None or time.monotonic() > end:
                msg = f"the service did not become ready; it said last: {self.log[-300:]}"
                raise TimeoutError(msg)
            time.sleep(0.02)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, bytes]:
        """Status and body of one request."""
        status, _, answer = self.exchange(method, path, body, headers)
        return status, answer

    def exchange(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, Message, bytes]:
        """Status, headers and body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=130)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def status(self, path: str) -> int | None:
        """Status of a GET; None while nothing listens."""
        try:
            return self.ask("GET", path)[0]
        except OSError:
            return None

    def metric(self, name: str) -> float:
        """Sum of the samples of a metric whose text begins with `name`."""
        page = self.ask("GET", "/metrics")[1].decode()
        return sum(float(value) for value in re.findall(rf"^{re.escape(name)}\S* (\S+)$", page, re.MULTILINE))

    @property
    def memory_mb(self) -> float:
        """Resident memory of the serving process."""
        return self._memory_mb("VmRSS")

    @property
    def highest_memory_mb(self) -> float:
        """The most that it was since the kernel was told to forget it, by writing 5 to clear_refs."""
        return self._memory_mb("VmHWM")

    @property
    def whole_memory_mb(self) -> float:
        """Memory of the serving process, its children and theirs; what they share counts once."""
        family = [self.process.pid]
        for process in family:
            family += _children(process)
        return sum(map(_share_mb, family))

    def _memory_mb(self, field: str) -> float:
        return _memory_mb(self.process.pid, field)

    @property
    def cpu_s(self) -> float:
        """Processor time that the serving process has had."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def cores(self) -> int:
        """On which the serving process may run."""
        return len(os.sched_getaffinity(self.process.pid))

    @property
    def descriptors(self) -> int:
        """Open file descriptors of the serving process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def log(self) -> str:
        """What it has written."""
        return b"".join(self._log).decode()

    @property
    def decoders(self) -> list[int]:
        """Process ids of the children that decode: those of the fork server."""
        return [child for parent in _children(self.process.pid) for child in _children(parent)]

    @property
    def provers(self) -> list[int]:
        """Process ids of the children that prove a bundle: those of the fork of the service itself."""
        own = _command(self.process.pid)
        forks = [child for child in _children(self.process.pid) if _command(child) == own]
        # The process that holds a network has children of its own: those that read films.
        return [child for parent in forks for child in _children(parent) if not _children(child)]

    @property
    def descendants(self) -> list[int]:
        """Process ids of its children and of theirs."""
        return [found for child in _children(self.process.pid) for found in (child, *_children(child))]

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)


def _share_mb(process: int) -> float:
    """Proportional memory: processes that were forked from one another share most of theirs."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _memory_mb(process: int, field: str) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended
        return 0.0
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def _children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task").glob("*/children")
    try:
        return [int(child) for path in listed for child in path.read_text().split()]
    except OSError:  # a thread has ended
        return []


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


def choose(models_dir: Path, bundle: str) -> None:
    """Say in the file `current` which bundle is to serve; a reader sees the old choice or the new one."""
    new = models_dir / "new"
    new.write_text(f"{bundle}\n")
    new.replace(models_dir / "current")


def until(condition: Callable[[], object], what: str, *, timeout_s: float = 60) -> float:
    """Ask again and again; returns the seconds that it took.

    Raises:
        TimeoutError: the time is over.
    """
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > timeout_s:
            raise TimeoutError(what)
        time.sleep(0.01)
    return time.perf_counter() - start


@contextmanager
def running(*, lever: Path | None = None, **settings: object) -> Iterator[Server]:
    """A server that is ready, and is ended afterwards."""
    server = Server(lever=lever, **settings)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.terminate()
        try:
            server.process.wait(60)
        except subprocess.TimeoutExpired:  # an experiment has broken what would have ended it
            server.process.kill()
            server.process.wait()


@contextmanager
def running_apart(**settings: Any) -> Iterator[Server]:
    """The same, without the last core, which alone is left to this process and the load that it makes.

    A hospital's callers are other machines: load that takes the cores of the service while it measures it changes what
    it measures. On one core there is nothing to divide.
    """
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:-1] or cores)
    try:
        with running(**settings) as server:
            os.sched_setaffinity(0, cores[-1:])
            yield server
    finally:
        os.sched_setaffinity(0, cores)
