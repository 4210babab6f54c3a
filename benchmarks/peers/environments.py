"""An environment for each peer in `.cache/peers/`, installed from a lock with hashes, and anew where that changed.

python -m benchmarks.peers.environments [--upgrade]     resolve the locks again
"""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.peers.peers import PEERS, ROOT

CACHE: Final = ROOT / ".cache/peers"
REQUIREMENTS: Final = Path(__file__).parent / "requirements"
PROFILER: Final = "profile"
"""The environment of py-spy, which watches a process from outside."""
SHARED: Final = "shared"
"""The list of packages that every peer has at the versions of the service."""
_STAMP: Final = "installed"


def lock_of(name: str) -> Path:
    """The lock file of an environment."""
    return ROOT / "requirements/cpu.txt" if name == "cpu" else REQUIREMENTS / f"{name}.txt"


def python_of(name: str) -> Path:
    """The Python of an environment, which is made first where it is absent or older than its lock.

    Raises:
        subprocess.CalledProcessError: a package cannot be fetched, or has another hash.
    """
    lock = lock_of(name)
    folder = CACHE / name
    python = folder / "bin/python"
    digest = f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version}"
    stamp = folder / _STAMP
    if not stamp.exists() or stamp.read_text() != digest:
        print(f"installing {lock.relative_to(ROOT)} into {folder.relative_to(ROOT)}", file=sys.stderr, flush=True)
        _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--quiet", "--python", str(python), "--no-deps", "--require-hashes", "-r", str(lock))
        stamp.write_text(digest)
    return python


def constraints() -> str:
    """Lines that pin what every peer shares to the versions of the service."""
    listed = (line.strip() for line in (REQUIREMENTS / f"{SHARED}.in").read_text().splitlines())
    names = {line for line in listed if line and not line.startswith("#")}
    pins = [line.split(" ")[0] for line in lock_of("cpu").read_text().splitlines() if not line.startswith(" ")]
    return "\n".join(pin for pin in pins if pin.partition("==")[0] in names)


def compile_locks(options: Sequence[str]) -> None:
    """Resolve every list, for all platforms, with the versions of the service where both have a package.

    Args:
        options: more of them for uv, as `--upgrade`.
    """
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder) / "constraints.txt"
        limits.write_text(constraints())
        for name in sorted({PROFILER, *(peer.lock for peer in PEERS.values())} - {"cpu"}):
            fixed = ["--universal", "--python-version", "3.11", "--generate-hashes", "--constraints", str(limits)]
            fixed += ["--no-emit-index-url", "--no-header", "--no-annotate", "--quiet", *options]
            _uv("pip", "compile", str(REQUIREMENTS / f"{name}.in"), *fixed, "--output-file", str(lock_of(name)))


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    compile_locks(sys.argv[1:])
