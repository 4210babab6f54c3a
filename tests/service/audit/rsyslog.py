"""A real rsyslog with TLS that writes what it gets into a file, a line for each message."""

import contextlib
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.waiting import wait_until

PROGRAM = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
TLS_DRIVER = [*Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")]


def require() -> None:
    if not Path(PROGRAM).exists() or not TLS_DRIVER:
        pytest.skip("rsyslog (Debian packages rsyslog, rsyslog-gnutls) is not installed")


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


class Rsyslog:
    """Demands a certificate of the authority."""

    def __init__(self, folder, authority) -> None:
        certificate, key = authority.vouch("rsyslog")
        self.port = free_port()
        self.file = folder / "received.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "rsyslog.conf").write_text(
            f"""
            global(
              workDirectory="{folder}"
              maxMessageSize="64k"
              parser.escapeControlCharactersOnReceive="off"
              defaultNetstreamDriver="gtls"
              defaultNetstreamDriverCAFile="{authority.file}"
              defaultNetstreamDriverCertFile="{certificate}"
              defaultNetstreamDriverKeyFile="{key}"
            )
            module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
            input(type="imtcp" address="127.0.0.1" port="{self.port}")
            template(name="raw" type="string" string="%rawmsg%\\n")
            action(type="omfile" file="{self.file}" template="raw")
            """
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [PROGRAM, "-n", "-i", "NONE", "-f", self._folder / "rsyslog.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._listens, "rsyslog listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    @property
    def messages(self) -> list[bytes]:
        return self.file.read_bytes().splitlines() if self.file.exists() else []

    @property
    def sequences(self) -> list[int]:
        return [int(re.search(rb'sequenceId="(\d+)"', line)[1]) for line in self.messages]
