"""The command starts itself again, once for each device, under torchrun."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from schemas.errors import TrainingConfigError

_OPTIONS: Final = ("--devices", "--nodes", "--rendezvous")


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes that are to train each network together."""

    devices: int
    """On each machine."""
    nodes: int
    """Machines, each of which starts the same command."""
    rendezvous: str | None
    """HOST:PORT where they meet; None: there is one."""


def torchrun(arguments: Sequence[str], processes: Processes) -> list[str]:
    """The command that starts the same one in several processes on this machine.

    Args:
        arguments: of the trainer, as typed; those of processes are left out.
        processes: how many, and where they meet.

    Raises:
        TrainingConfigError: several machines have nowhere to meet, or one has somewhere.

    Source: torchrun, https://docs.pytorch.org/docs/stable/elastic/run.html
    """
    nodes, rendezvous = processes.nodes, processes.rendezvous
    if (nodes > 1) != (rendezvous is not None):
        msg = (
            f"--nodes {nodes} and --rendezvous {rendezvous or 'nowhere'} do not fit: several machines meet at HOST:PORT"
        )
        raise TrainingConfigError(msg)
    where = ["--standalone"] if rendezvous is None else ["--rdzv-backend", "c10d", "--rdzv-endpoint", rendezvous]
    started = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(nodes), "--nproc-per-node"]
    return [*started, str(processes.devices), *where, "-m", "trainer", *_without(arguments)]


def start_together(processes: Processes) -> NoReturn:
    """Become torchrun; see `torchrun`."""
    command = torchrun(sys.argv[1:], processes)
    os.execve(command[0], command, _shared(os.environ, processes.devices))  # noqa: S606 this program, without a shell


def _shared(environment: Mapping[str, str], devices: int) -> dict[str, str]:
    """Each process gets its part of the cores; torchrun would give it one."""
    threads = max(1, (os.cpu_count() or 1) // devices)
    return {"OMP_NUM_THREADS": str(threads)} | dict(environment)


def _without(arguments: Sequence[str]) -> list[str]:
    left: list[str] = []
    skipped = False
    for argument in arguments:
        if skipped:
            skipped = False
        elif argument in _OPTIONS:
            skipped = True
        elif not argument.startswith(tuple(f"{option}=" for option in _OPTIONS)):
            left.append(argument)
    return left
