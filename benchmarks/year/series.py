"""The metrics over the year as OpenMetrics with timestamps, a file for each month: what promtool makes blocks from."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client import CollectorRegistry

from benchmarks.year.causes import DAY
from benchmarks.year.hospital import BUNDLES, EPOCH, Hospital

STEP_S: Final = 150
"""Between two scrapes. The shipped Prometheus scrapes every 15 s, which would be 130 million samples a year."""
EVALUATION_S: Final = 300
"""Between two evaluations, and between two samples of what is only asked about in days: a week of it is long."""
_SELDOM: Final = "cxr_predictions_total"
MONTH_S: Final = 31 * DAY
RULES: Final = Path("deploy/prometheus")
TARGETS: Final = {"cxr": 'instance="cxr:8000",job="cxr"', "cxr-dimse": 'instance="dimse:9104",job="cxr-dimse"'}


def used_names() -> frozenset[str]:
    """Every series that the shipped rules speak of."""
    texts = [(RULES / name).read_text() for name in ("alerts.yml", "recording_rules.yml")]
    rules = [rule["expr"] for text in texts for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    return frozenset(re.findall(r"(?<![:\w])(cxr_\w+)\b", " ".join(rules)))


class Scrapes:
    """What each scrape of the hospital's service finds."""

    def __init__(self, hospital: Hospital) -> None:
        self._hospital = hospital
        parts = [("cxr", hospital.metrics.registry, ""), ("cxr-dimse", hospital.dimse.registry, "")]
        parts += [("cxr", hospital.metrics.bundle(name).registry, f'bundle="{name}",') for name in BUNDLES]
        self._parts = [(job, _used(registry), label + TARGETS[job]) for job, registry, label in parts]
        self._blocks: dict[str, str] = {}
        self._seldom: dict[str, str] = {}

    def of(self, at_s: int, *, changed: bool) -> str:
        """The lines of one scrape; of a target that is away, that it is."""
        if changed or not self._blocks:
            lines_of = {job: [f"{line} @\n" for line in self._collected(job)] for job in TARGETS}
            often = {job: [line for line in lines_of[job] if not line.startswith(_SELDOM)] for job in TARGETS}
            self._blocks = {job: "".join(often[job]) for job in TARGETS}
            self._seldom = {job: "".join(line for line in lines_of[job] if line.startswith(_SELDOM)) for job in TARGETS}
        lines = ""
        for job, target in TARGETS.items():
            is_up = self._hospital.up(job, at_s)
            blocks = (self._blocks[job], self._seldom[job] if at_s % EVALUATION_S == 0 else "") if is_up else ()
            lines += f"up{{{target}}} {int(is_up)} @\n" + "".join(blocks)
        return lines.replace("@", str(EPOCH + at_s))

    def _collected(self, job: str) -> Iterator[str]:
        for of_job, registry, labels in self._parts:
            if of_job == job:
                yield from _samples(registry, labels)
        if job == "cxr":
            yield f"process_resident_memory_bytes{{{TARGETS[job]}}} {self._hospital.memory_bytes}"


def _used(registry: CollectorRegistry) -> Any:
    """The part of a registry that the rules speak of."""
    known = registry._names_to_collectors  # noqa: SLF001 asking for others fails
    return registry.restricted_registry([name for name in used_names() if name in known])


def _samples(registry: Any, labels: str) -> Iterator[str]:
    for family in registry.collect():
        for sample in family.samples:
            if not math.isnan(sample.value):  # a window with too few films
                own = "".join(f'{name}="{value}",' for name, value in sample.labels.items())
                yield f"{sample.name}{{{own}{labels}}} {sample.value}"


def write(hospital: Hospital, folder: Path, days: int) -> list[Path]:
    """Let the year pass, and write it; returns the files."""
    scrapes = Scrapes(hospital)
    files: list[Path] = []
    for begin_s in range(0, days * DAY, MONTH_S):
        files.append(folder / f"month-{len(files):02}.om")
        with files[-1].open("w") as file:
            for at_s in range(begin_s, min(begin_s + MONTH_S, days * DAY), STEP_S):
                changed = hospital.step(at_s, STEP_S)
                file.write(scrapes.of(at_s, changed=changed))
            file.write("# EOF\n")
    return files
