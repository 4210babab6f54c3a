"""Two nodes of PostgreSQL as docs/replicas.md has them: a primary, and a standby that confirms every commit."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pacs.orthanc import free_port
from tests.service.dicomweb.postgresql import binaries

PING_S = 1.0
FAILURES = 3
"""So often in a row the watch gets no answer before the standby is promoted."""


class Node:
    """One server, by Debian's own commands."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self._log = folder / "log"
        self._tools = tools
        self._user = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            for path in (folder, *folder.parents):
                if path.owner() == "root" and path.is_relative_to(tempfile.gettempdir()):
                    path.chmod(path.stat().st_mode | 0o711)
            shutil.chown(folder, "postgres", "postgres")

    def run(self, name: str, *arguments: str, timeout_s: float = 60) -> str:
        command = [*self._user, str(self._tools / name), *arguments]
        return subprocess.run(
            command, cwd=self.data.parent, check=True, capture_output=True, text=True, timeout=timeout_s
        ).stdout

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.data.parent}"
        self.run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self._log), "-o", options, "start")

    def sql(self, text: str) -> str:
        command = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "spool", "-d", "postgres", "-Atc", text]
        return self.run("psql", *command).strip()

    def answers(self) -> bool:
        command = [str(self._tools / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        return subprocess.run(command, check=False, timeout=30).returncode == 0

    def kill(self) -> None:
        """As a power cut: SIGKILL to the postmaster, whose children end with it."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists() and self.answers():
            self.run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")


class Pair:
    """The two nodes; `url` names both, and libpq connects to the one that may be written."""

    def __init__(self, folder: Path, tools: Path) -> None:
        for name in ("one", "two"):
            (folder / name).mkdir(mode=0o755)
        self.primary, self.standby = Node(folder / "one", tools), Node(folder / "two", tools)
        hosts = "&".join(f"host=127.0.0.1:{node.port}" for node in (self.primary, self.standby))
        self.url = f"postgresql+psycopg://spool@/postgres?{hosts}&target_session_attrs=read-write&connect_timeout=2"

    def start(self) -> None:
        primary, standby = self.primary, self.standby
        primary.run("initdb", "-D", str(primary.data), "-A", "trust", "-U", "spool", "--no-sync")
        primary.start()
        source = f"host=127.0.0.1 port={primary.port} user=spool application_name=cxr_standby"
        standby.run("pg_basebackup", "-d", source, "-D", str(standby.data), "-R", "-X", "stream", "-C", "-S", "cxr")
        standby.start()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'cxr_standby'")
        primary.sql("SELECT pg_reload_conf()")

    def watch_and_promote(self) -> None:
        """Until the primary is gone, then promote the standby: what an operator or a watch does."""
        failures = 0
        while failures < FAILURES:
            time.sleep(PING_S)
            failures = 0 if self.primary.answers() else failures + 1
        self.standby.run("pg_ctl", "-D", str(self.standby.data), "-w", "promote")


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """The two nodes, replicating; the test skips where PostgreSQL is not installed."""
    tools = binaries()
    if tools is None:
        pytest.skip("PostgreSQL (Debian package postgresql) is not installed")
    made = Pair(folder, tools)
    try:
        made.start()
        yield made
    finally:
        for node in (made.standby, made.primary):
            node.stop()
