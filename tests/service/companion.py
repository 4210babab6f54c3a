"""A process that runs beside the server, `python -m service COMMAND`, for tests of what survives its end."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from tests.service.server import ROOT, Server


class Companion:
    """The process, and its log; it has said that it is ready."""

    def __init__(self, command, **settings) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CXR_")}
        environment |= {f"CXR_{name.upper()}": str(value) for name, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", command], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        for line in self.process.stderr:
            self.lines.append(line)
            if f"{command}_ready" in line:
                break
        else:
            pytest.fail(f"the process did not start: {self.lines}")
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr))
        self._reader.start()

    @property
    def port(self) -> int:
        """Where it listens, as it said when it was ready."""
        return int(next(found[1] for line in self.lines if (found := re.search(r'"port": (\d+).*_ready', line))))

    def end(self, number=signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(30)
        self.process.stderr.close()
        return code


def receiver_for(server: Server, **settings) -> Companion:
    """What takes films by C-STORE, and hands them to the server."""
    own = {"dimse_port": 0, "dimse_service_url": f"http://127.0.0.1:{server.port}"}
    return Companion("dimse", **(own | settings))
