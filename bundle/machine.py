"""The machine on which networks run: what makes figures that were measured here comparable."""

import os
import platform
import sys
from pathlib import Path

import onnxruntime as ort

from schemas.tuning import Machine

_CPUS = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")


def this_machine() -> Machine:
    """The machine of this process."""
    return Machine(
        cpu=_first_value(_CPUS, "model name") or platform.processor() or platform.machine() or "unknown",
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        gpus=tuple(_first_value(entry / "information", "Model") or "unknown" for entry in sorted(_GPUS.glob("*"))),
        onnxruntime=ort.__version__,
        providers=tuple(ort.get_available_providers()),
    )


def _first_value(path: Path, name: str) -> str | None:
    """Of the first line `name: value`; None where the system has no such file or line."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    pairs = (line.partition(":") for line in lines)
    return next((" ".join(value.split()) for key, _, value in pairs if key.strip() == name and value.strip()), None)
