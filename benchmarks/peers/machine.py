"""What the machine says of itself: who had its cores, and how much memory a family of processes holds.

Foreign CPU is what the cores were busy with, minus the server, its children, and this program with the load generator.
Time that a hypervisor took away (steal) is foreign too.

Source: proc_pid_stat(5), proc_stat(5), proc_pid_smaps(5).
"""

import os
import re
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_IDLE: Final = (3, 4)
"""Places of idle and iowait in a line of /proc/stat; guest time (8, 9) is already in user time."""
_ACCOUNTED: Final = 8


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds until now."""

    at_s: float
    busy_s: float
    """Of all cores on which this program may run."""
    own_s: float
    """Of this program and the children that it has waited for, so of the load generator too."""
    family_s: float
    """Of the server."""


def usage(family: Iterable[int]) -> Usage:
    """Read the clocks."""
    own = os.times()
    return Usage(
        at_s=time.perf_counter(),
        busy_s=busy_s((PROC / "stat").read_text(), os.sched_getaffinity(0)),
        own_s=own.user + own.system + own.children_user + own.children_system,
        family_s=sum(cpu_s(stat) for process in family if (stat := _stat(process)) is not None),
    )


def foreign_cores(before: Usage, after: Usage) -> float:
    """Cores that others had between two readings; clocks of ticks may make it a little less than 0, which is 0."""
    spent = after.busy_s - before.busy_s
    known = (after.own_s - before.own_s) + (after.family_s - before.family_s)
    return max(0.0, (spent - known) / (after.at_s - before.at_s))


def busy_s(stat: str, cores: Collection[int]) -> float:
    """Seconds that these cores were not idle, from the text of /proc/stat."""
    ticks = 0
    for core, line in re.findall(r"^cpu(\d+) (.+)$", stat, re.MULTILINE):
        if int(core) in cores:
            counts = [int(count) for count in line.split()[:_ACCOUNTED]]
            ticks += sum(count for place, count in enumerate(counts) if place not in _IDLE)
    return ticks / TICKS_PER_S


def cpu_s(stat: str) -> float:
    """Seconds of a process, and of the children that it has waited for, from the text of its stat."""
    return sum(int(ticks) for ticks in _fields(stat)[11:15]) / TICKS_PER_S


def family(root: int) -> list[int]:
    """A process, its descendants, and whoever is left of the session that it began."""
    parents: dict[int, int] = {}
    sessions: dict[int, int] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None:
            fields = _fields(stat)
            parents[int(entry.name)] = int(fields[1])
            sessions[int(entry.name)] = int(fields[3])
    return relatives(root, parents, sessions)


def relatives(root: int, parents: dict[int, int], sessions: dict[int, int]) -> list[int]:
    """`family`, from the parents and sessions of all processes."""
    found = {process for process, session in sessions.items() if session == root}
    found |= {root} & parents.keys()
    while grown := {process for process, parent in parents.items() if parent in found} - found:
        found |= grown
    return sorted(found)


def pss_mb(processes: Iterable[int]) -> float:
    """Proportional memory: a page that several processes share counts once in all."""
    kilobytes = 0
    for process in processes:
        try:
            text = (PROC / str(process) / "smaps_rollup").read_text()
        except OSError:  # it has ended
            continue
        kilobytes += sum(int(size) for size in re.findall(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE))
    return kilobytes / 1024


def processor() -> str:
    """Model of the processor and the kernel, as they call themselves."""
    model = re.search(r"^model name\s*: (.+)$", (PROC / "cpuinfo").read_text(), re.MULTILINE)
    return f"{model[1] if model else os.uname().machine}, Linux {os.uname().release.partition('-')[0]}"


def _stat(process: int) -> str | None:
    try:
        return (PROC / str(process) / "stat").read_text()
    except OSError:  # it has ended
        return None


def _fields(stat: str) -> list[str]:
    """Fields after the name, which may hold blanks and parentheses: state, parent, group, session, ..."""
    return stat.rpartition(")")[2].split()
