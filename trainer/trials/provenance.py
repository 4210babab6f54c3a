"""Where a trained network comes from: commit, films, libraries, machine, and what the training took."""

import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

from schemas.model.provenance import Provenance
from trainer.config import RunConfig
from trainer.folder import TrialFolder
from trainer.learning.loop import Fit
from trainer.learning.options import LearnOptions
from trainer.networks.network import Network
from trainer.plugins import Kind, find_plugin
from trainer.trials.context import RunContext
from trainer.trials.record import read_trial
from trainer.trials.trial_spec import TrialSpec

_LIBRARIES = ("torch", "timm", "lightning-fabric", "albumentations", "opencv-python-headless", "numpy")
_PROJECT = Path(__file__).parents[2]
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a network before it is trained."""

    commit: str
    """Of the code that is loaded; it may change on disk while the network trains."""
    teachers: tuple[Provenance, ...]


def origin_of(learn: LearnOptions) -> Origin:
    """The commit and the teachers of a network that is about to be trained.

    Raises:
        TrainingDataError: a teacher's folder is not a trial that has ended.
    """
    teachers = tuple(read_trial(TrialFolder(Path(teacher))).provenance for teacher in learn.teachers)
    return Origin(git_commit(), teachers)


def provenance_of(context: RunContext, fitted: Fit, network: Network, spec: TrialSpec, origin: Origin) -> Provenance:
    """The record of a network that has just been trained."""
    consumption = fitted.consumption
    data = context.dataset.record
    return Provenance(
        command=context.command,
        git_commit=origin.commit,
        trained_at=datetime.now(UTC),
        training_seconds=consumption.seconds,
        cpu_seconds=consumption.cpu_seconds,
        energy_joules=consumption.energy_joules,
        seed=spec.seed,
        data=context.config.data.path,
        data_sha256=data.data_sha256,
        split_sha256=data.split_sha256,
        pretrained_weights=fitted.pretrained,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        device=device_name(fitted.device),
        precision=fitted.precision,
        libraries=library_versions(),
        plugins=used_plugins(context.config, spec.architecture),
        teachers=origin.teachers,
    )


def used_plugins(config: RunConfig, architecture: str) -> dict[str, str]:
    """The plug-ins that decide a trial, e.g. `{"loss 'squared_error'": "cxr-example 1.0"}`."""
    named: dict[Kind, str] = {
        "architecture": architecture,
        "loss": config.learn.loss,
        "recipe": config.learn.augment,
        "source": config.data.path.partition(":")[0],
    }
    plugins = (find_plugin(kind, name, ()) for kind, name in named.items())
    return {f"{plugin.kind} {plugin.name!r}": plugin.package for plugin in plugins if plugin is not None}


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


def device_name(device: torch.device, cpuinfo: Path = _CPUINFO) -> str:
    """The machine that computed, e.g. 'cpu: AMD EPYC 9354, x86_64, 2 threads'."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {', '.join((*_processor(cpuinfo), platform.machine()))}, {torch.get_num_threads()} threads"


def _processor(cpuinfo: Path) -> tuple[str, ...]:
    """What Linux calls the first processor; nothing where it has no name for it, as on some ARM machines."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    return tuple(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))[:1]
