"""Where a trained network comes from: commit, libraries, machine."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

_LIBRARIES = ("torch", "timm", "lightning-fabric", "albumentations", "opencv-python-headless", "numpy")
_PROJECT = Path(__file__).parent.parent


def git_commit(folder: Path = _PROJECT) -> str:
    """The commit of the source, with '-dirty' where tracked files were changed; 'unknown' outside a repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our words

    try:
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def library_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that decide what is computed."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _LIBRARIES}}


def device_name(device: torch.device) -> str:
    """The machine that computed, e.g. 'cpu: x86_64, 2 threads'."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.machine()}, {torch.get_num_threads()} threads"
