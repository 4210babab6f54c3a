"""The real server process, and what can be seen of it from outside."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY_TIMEOUT_S = 60


class Server:
    """A running `python -m service`."""

    def __init__(self, **settings: object) -> None:
        """`settings` by their names, without the prefix CXR_."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CXR_")}
        chosen = {f"CXR_{name.upper()}": str(value) for name, value in settings.items()}
        environment = {**kept, "CXR_PORT": str(self.port), "CXR_LOG_FORMAT": "json", **chosen}
        self.models_dir = Path(chosen.get("CXR_MODELS_DIR", "models"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait_until_ready(self) -> None:
        """Poll /readyz."""
        end = time.monotonic() + READY_TIMEOUT_S
        while self.status("/readyz") != http.client.OK:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit("the service did not become ready; start it by hand with `make run` to see why")
            time.sleep(0.02)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
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
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

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

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def running(**settings: object) -> Iterator[Server]:
    """A server that is ready, and is ended afterwards."""
    server = Server(**settings)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.terminate()
        server.process.wait(60)


@contextmanager
def running_apart(**settings: object) -> Iterator[Server]:
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
