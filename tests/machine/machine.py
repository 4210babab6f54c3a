"""A Debian machine for one test: namespaces, a layer over this file system, and systemd as its first process.

Paths, ports and commands are those that a page names; nothing outlives the machine, and nothing of this one is changed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent
NAMESPACES = ("--mount", "--net", "--pid", "--cgroup", "--ipc", "--uts")
SYSTEMD = Path("/lib/systemd/systemd")
_TRIAL = """mount -t tmpfs t /tmp && mkdir /tmp/u /tmp/w /tmp/r && mount -t cgroup2 c /tmp/r && umount /tmp/r &&
mount -t overlay o -o lowerdir=/,upperdir=/tmp/u,workdir=/tmp/w /tmp/r"""


@cache
def reason_for_none() -> str | None:
    """Why no machine can be started here."""
    missing = [name for name in ("unshare", "nsenter", "ip", "systemctl", "curl") if shutil.which(name) is None]
    if missing or not SYSTEMD.exists():
        return f"not installed: {', '.join(missing) or 'systemd'}"
    if os.geteuid() != 0:
        return "a machine in namespaces needs root"
    done = subprocess.run(
        ["unshare", *NAMESPACES, "--fork", "bash", "-c", _TRIAL],
        capture_output=True,
        check=False,
    )
    return None if done.returncode == 0 else "the kernel gives no namespaces or no overlay here"


class Machine:
    """Started, until `end`."""

    def __init__(self, folder: Path, *, checkout: Path = ROOT) -> None:
        self._folder = folder / "machine"
        self._folder.mkdir()
        library = Path(sys.prefix).resolve() / "lib"
        arguments = [checkout, self._folder, sys.base_prefix, library]
        with (folder / "machine.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "unshare",
                    *NAMESPACES,
                    "--fork",
                    "--kill-child",
                    ROOT / "tests/machine/boot.sh",
                    *map(str, arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._log = folder / "machine.log"
        wait_until(self._has_started, "systemd runs")

    def run(self, script: str, *, check: bool = True, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run bash as root, in /opt/cxr, with the environment of the service on PATH."""
        path = "/opt/cxr/.venv-cpu/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["nsenter", "-t", str(self._first), "-m", "-n", "-p", "-C", "-i", "-u"]
        done = subprocess.run(
            [
                *enter,
                "env",
                "-i",
                f"PATH={path}",
                "HOME=/root",
                "LANG=C.UTF-8",
                "bash",
                "-euo",
                "pipefail",
                "-c",
                f"cd /opt/cxr\n{script}",
            ],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def json(self, script: str) -> Any:
        return json.loads(self.run(script).stdout)

    def put(self, path: str, content: bytes) -> None:
        enter = ["nsenter", "-t", str(self._first), "-m", "bash", "-c", f'mkdir -p "$(dirname {path})" && cat >{path}']
        subprocess.run(enter, input=content, check=True, timeout=60)

    def end(self) -> None:
        if self._process.poll() is None:
            os.kill(self._first, signal.SIGKILL)
        self._process.wait(60)

    @property
    def _first(self) -> int:
        """The first process of the machine, as this one numbers it."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def _has_started(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        if not Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().strip():
            return False
        if Path(f"/proc/{self._first}/comm").read_text().strip() != "systemd":
            return False
        state = self.run("systemctl is-system-running --wait", check=False).stdout.strip()
        return state in {"running", "degraded"}
