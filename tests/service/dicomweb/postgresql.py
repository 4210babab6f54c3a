"""A PostgreSQL server of its own in a temporary folder, where Debian's package or another is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """Where initdb and postgres are."""
    found = [Path(path) for path in (shutil.which("initdb"),) if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run it; yields the start of an address: add the name of a database. It listens on a socket of the folder
    alone."""
    tools = binaries()
    data = Path(tempfile.mkdtemp(prefix="pg", dir=folder))
    as_user = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        for path in (data, *data.parents):
            if path.owner() == "root" and path.is_relative_to(tempfile.gettempdir()):
                path.chmod(path.stat().st_mode | 0o711)
        shutil.chown(data, "postgres", "postgres")

    def run(name: str, *arguments: str) -> None:
        subprocess.run([*as_user, tools / name, *arguments], cwd=data, check=True, capture_output=True, timeout=60)

    run("initdb", "-D", str(data / "cluster"), "-A", "trust", "-U", "spool", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={data}"
    run("pg_ctl", "-D", str(data / "cluster"), "-w", "-l", str(data / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://spool@/{{database}}?host={data}"
    finally:
        run("pg_ctl", "-D", str(data / "cluster"), "-w", "-m", "immediate", "stop")
