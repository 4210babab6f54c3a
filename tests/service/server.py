"""The real server process, for tests that speak to it over HTTP on loopback."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parent.parent.parent


class Server:
    """The process, its log and a client of it."""

    def __init__(self, models_dir, **settings) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CXR_")}
        environment |= {"CXR_MODELS_DIR": str(models_dir), "CXR_PORT": "0", "PYTHONUNBUFFERED": "1"}
        environment |= {f"CXR_{name.upper()}": str(value) for name, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.port = self._port()
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.address = f"http://127.0.0.1:{self.port}"
        # The service closes connections that were idle for 5 s, and a loaded machine may send on one at that moment.
        limits = httpx2.Limits(keepalive_expiry=2)
        self.client = httpx2.Client(base_url=self.address, timeout=30, limits=limits, trust_env=False)

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()

    def wait_until_it_says(self, text) -> None:
        with self._said:
            assert self._said.wait_for(lambda: any(text in line for line in self.lines), 120)

    def _port(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                return int(found[1])
        pytest.fail(f"the server did not start: {self.lines}")

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        code = self.process.wait(120)
        self._reader.join(30)
        self.process.stdout.close()
        return code

    def end(self) -> None:
        """Also of a process that a test ended: its output is read to the end and closed."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.wait()
