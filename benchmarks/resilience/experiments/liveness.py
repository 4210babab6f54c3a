"""What must never happen in silence: a loop or the network dies, and /livez still says that all is well."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.resilience.lever import Lever, Order
from benchmarks.resilience.load import LOST, Answered, Clients, films
from benchmarks.resilience.server import Server, choose, running
from benchmarks.resilience.table import Row, counted
from benchmarks.resilience.versions import other_version, two_versions

_DEADLINE_MS = 2000
_RUN_TIMEOUT_S = 1.0
_GIVE_UP_S = 60.0
"""Beyond what a busy machine takes to load the bundle on which its supervisor dies."""


@dataclass(frozen=True, slots=True)
class _Fault:
    name: str
    order: Order
    detected_s: float = 1.0
    """Time that the service has to notice: a run that hangs is known by its length alone."""
    loading: bool = False
    """Whether the order meets a bundle that is loaded, and not the films."""


_FAULTS = (
    _Fault("dead batcher", Order.PANIC),
    _Fault("dead engine", Order.FAIL),
    _Fault("hanging engine", Order.HOLD, detected_s=_RUN_TIMEOUT_S + 1),
    _Fault("dead supervisor of bundles", Order.PANIC, loading=True),
)


async def liveness(folder: Path) -> list[Row]:
    """Breaks one part after another, each in a process of its own, while four callers send films."""
    models = two_versions(folder)
    return [row for number, fault in enumerate(_FAULTS) for row in await _break(fault, folder / str(number), models)]


async def _break(fault: _Fault, lever_file: Path, models: Path) -> list[Row]:
    lever = Lever(lever_file)
    settings = {
        "models_dir": models,
        "model_poll_s": 0.05,
        "deadline_ms": _DEADLINE_MS,
        "run_timeout_s": _RUN_TIMEOUT_S,
    }
    with running(lever=lever_file, **settings) as server:
        clients = Clients(server.port)
        stop = asyncio.Event()
        callers = 0 if fault.loading else 4
        calling = [asyncio.create_task(_call(clients, stop)) for _ in range(callers)]
        await asyncio.sleep(0.5)  # a service that answers
        broken = time.perf_counter()
        lever.pull(fault.order)
        if fault.loading:
            current = (models / "current").read_text().strip()
            choose(models, other_version(models, current))
        noticed = await asyncio.to_thread(_until_it_is_not_alive, server, broken)
        await asyncio.sleep(0.5)  # and what it answers from then on
        stop.set()
        answers = _since(broken, await asyncio.gather(*calling))
        if fault.loading:
            lever.pull(Order.RUN)
            answers = [await clients.post("/predict", films()[0])]
        clients.close()
        server.process.kill()  # what hangs would not end by itself
    return _rows(fault, noticed, answers)


def _since(broken: float, callers: Sequence[Sequence[Answered]]) -> list[Answered]:
    return [answer for answers in callers for answer in answers if answer.started + answer.seconds > broken]


def _rows(fault: _Fault, noticed: float | None, answers: Sequence[Answered]) -> list[Row]:
    longest = max(answer.seconds for answer in answers)
    hangs = [answer for answer in answers if answer.status == LOST or answer.seconds > _DEADLINE_MS / 1e3 + 1]
    limit = f"< {fault.detected_s:g} s"
    value = f"not in {_GIVE_UP_S:g} s" if noticed is None else f"{noticed:.2f} s"
    in_time = noticed is not None and noticed < fault.detected_s
    answered = f"{counted(answers)}; {longest:.2f} s"
    return [
        Row(fault.name, "/livez answers 503 after", value, limit, in_time, timing=noticed is not None),
        Row(fault.name, "requests since; the longest", answered, f"none hangs, {_DEADLINE_MS / 1e3:g} s", not hangs),
    ]


async def _call(clients: Clients, stop: asyncio.Event) -> list[Answered]:
    answers = []
    while not stop.is_set():
        answers.append(await clients.post("/predict", films(1)[0]))
        await asyncio.sleep(0.01)  # those who are refused need not fill the machine
    return answers


def _until_it_is_not_alive(server: Server, broken: float) -> float | None:
    """Seconds until /livez answers 503; None where it does not."""
    while time.perf_counter() - broken < _GIVE_UP_S:
        if server.status("/livez") == 503:
            return time.perf_counter() - broken
        time.sleep(0.02)
    return None
