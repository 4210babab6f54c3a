"""One tuning: everything that is worth trying, measured in turns within the time, and the profile that follows."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from bundle.machine import this_machine
from bundle.opening import Bundle
from bundle.providers import require_provider
from schemas.errors import BundleError, SettingsError
from schemas.model.precision import Precision
from schemas.tuning import EngineChoice, Machine, Measured, Provider, TuningProfile, Untried
from schemas.version import VERSION
from service.commands.tuning.candidates import (
    SUITABLE,
    best_of,
    choices,
    fastest_first,
    measured,
    process_choices,
)
from service.commands.tuning.measuring import Pipelines, in_turns, processes

SHORTEST_WINDOW_S: Final = 0.15
LOOK_S: Final = 0.5
"""For which other programs are watched."""
PROCESSES_SHARE: Final = 0.3
"""Of the time, for several processes."""
_STAT: Final = Path("/proc/stat")

Report = Callable[[str], None]


@dataclass(slots=True)
class Tuning:
    """One tuning of a bundle on this machine."""

    bundle: Bundle
    rounds: int
    seconds: float
    with_processes: bool = True
    untried: list[Untried] = field(default_factory=list)

    def measure(self, report: Report) -> TuningProfile:
        """Measure; `report` gets the progress in words.

        Raises:
            BundleError: no graph of the bundle computes here what it did at the export.
            InferenceError: the network or a process fails.
        """
        start = time.perf_counter()
        busy = busy_cores(LOOK_S)
        machine = this_machine()
        pipelines = Pipelines.of(self.bundle)
        figures = self._one_process(pipelines, machine, report)
        best = best_of(figures).choice
        several = self._several(pipelines, best, machine.cores, report) if self.with_processes else ()
        chosen = best_of(several).choice if several else best
        return TuningProfile(
            bundle=f"{self.bundle.manifest.name}/{self.bundle.manifest.version}",
            bundle_sha256=self.bundle.sha256,
            machine=machine,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            software_version=VERSION,
            rounds=self.rounds,
            seconds=time.perf_counter() - start,
            busy_cores=busy,
            chosen=chosen,
            figures=fastest_first(figures),
            processes=several,
            untried=tuple(self.untried),
        )

    def _one_process(self, pipelines: Pipelines, machine: Machine, report: Report) -> list[Measured]:
        report("loading and proving the graphs")
        tried = [choice for choice in self._candidates(machine) if self._is_right(pipelines, choice)]
        if not tried:
            reasons = "; ".join(f"{each.provider} {each.precision}: {each.reason}" for each in self.untried)
            msg = f"no graph of the bundle can be measured here: {reasons}; export the bundle again"
            raise BundleError(msg)
        share = 1 - PROCESSES_SHARE if self.with_processes else 1
        window_s = max(SHORTEST_WINDOW_S, share * self.seconds / (len(tried) * self.rounds))
        runs = [partial(pipelines.of_choice(choice).run, choice, window_s) for choice in tried]
        results = in_turns(runs, self.rounds, _counting(report, "one process"))
        return [measured(choice, rounds) for choice, rounds in zip(tried, results, strict=True)]

    def _several(self, pipelines: Pipelines, alone: EngineChoice, cores: int, report: Report) -> tuple[Measured, ...]:
        """Several processes, and the best single one again in the same rounds, first."""
        tried = process_choices(alone, cores) if alone.provider == "cpu" else []
        if not tried:
            return ()
        pipeline = pipelines.of_choice(alone)
        window_s = max(SHORTEST_WINDOW_S, PROCESSES_SHARE * self.seconds / ((len(tried) + 1) * self.rounds))
        with ExitStack() as stack:
            report("starting processes")
            several = [stack.enter_context(processes(self.bundle, choice)) for choice in tried]
            runs = [partial(pipeline.run, alone, window_s), *(partial(run, window_s) for run in several)]
            results = in_turns(runs, self.rounds, _counting(report, "several processes"))
        return tuple(measured(choice, rounds) for choice, rounds in zip((alone, *tried), results, strict=True))

    def _candidates(self, machine: Machine) -> list[EngineChoice]:
        """Of the precisions that the bundle keeps; a gate of its export refused the others, which is said."""
        manifest = self.bundle.manifest
        for record in manifest.precisions:
            if record.refused is not None:
                provider: Provider = next(each for each in SUITABLE if record.precision in SUITABLE[each])
                reason = f"a gate of the export refused it: {record.refused}"
                self.untried.append(Untried(provider=provider, precision=record.precision, reason=reason))
        present = [provider for provider in SUITABLE if _is_present(provider)]
        return [
            choice
            for provider in present
            for choice in choices(provider, manifest.offered, machine.cores, manifest.graph.max_batch)
        ]

    def _is_right(self, pipelines: Pipelines, choice: EngineChoice) -> bool:
        refused = {(each.provider, each.precision) for each in self.untried}
        if (choice.provider, choice.precision) in refused:
            return False
        try:
            pipelines.of_choice(choice)
        except (BundleError, SettingsError) as error:
            self._refuse(choice.provider, choice.precision, str(error))
            return False
        return True

    def _refuse(self, provider: Provider, precision: Precision, reason: str) -> None:
        self.untried.append(Untried(provider=provider, precision=precision, reason=reason))


def busy_cores(seconds: float) -> float:
    """Cores that other programs use, watched for a while; 0 where the system does not say."""
    before = _processor_time()
    own = sum(os.times()[:2])
    time.sleep(seconds)
    after = _processor_time()
    if before is None or after is None:
        return 0.0
    busy_s = (after - before) / os.sysconf("SC_CLK_TCK") - (sum(os.times()[:2]) - own)
    return max(0.0, busy_s / seconds)


def _processor_time() -> int | None:
    """Ticks of all cores that were not idle; with the time that a hypervisor took."""
    try:
        numbers = [int(number) for number in _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return sum(numbers) - numbers[3] - numbers[4]


def _is_present(provider: Provider) -> bool:
    try:
        require_provider(provider)
    except SettingsError:
        return False
    return True


def _counting(report: Report, what: str) -> Callable[[int, int], None]:
    return lambda done, of: report(f"{what}: {done} of {of}")
