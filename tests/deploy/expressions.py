"""What a PromQL expression speaks of: its series and their labels; and which the service exports."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics import MetricWrapperBase

from service.dimse.counters import DimseMetrics
from service.metrics import Metrics

ROOT = Path(__file__).parent.parent.parent
PROMETHEUS = ROOT / "deploy/prometheus"
TARGET = {"job", "instance"}
"""Labels that Prometheus adds to whatever it scrapes."""

_KEYWORDS = {"and", "or", "unless", "offset", "bool"}
_ENDS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def rules(file: str) -> list[dict[str, Any]]:
    """Every rule of a file."""
    return [rule for group in yaml.safe_load((PROMETHEUS / file).read_text())["groups"] for rule in group["rules"]]


def known_series() -> dict[str, set[str]]:
    """The labels of every series by its name: what the service exports, and what the recording rules make of it."""
    series = {"up": TARGET}
    metrics = Metrics()
    of_bundles = metrics.bundle().registry._collector_to_names
    of_dimse = DimseMetrics().registry._collector_to_names
    for collector in (*metrics.registry._collector_to_names, *of_dimse, *of_bundles):
        labels = TARGET | set(collector._labelnames if isinstance(collector, MetricWrapperBase) else ())
        labels |= {"bundle"} if collector in of_bundles else set()
        for family in collector.collect():
            for end in _ENDS.get(family.type, ("",)):
                series[family.name + end] = labels | ({"le"} if end == "_bucket" else set())
    return series | {rule["record"]: TARGET for rule in rules("recording_rules.yml")}


def unknown(expression: str) -> list[str]:
    """Series of an expression that nobody exports or records, and labels that they do not have."""
    series = known_series()
    faults = [name for name, _ in selectors(expression) if name not in series]
    if faults:
        return faults
    labels = set().union(*(series[name] for name, _ in selectors(expression)))
    faults += [f"{name}{{{label}}}" for name, chosen in selectors(expression) for label in chosen - series[name]]
    return faults + [f"by ({label})" for label in grouped(expression) - labels]


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Name and labels of each series that an expression selects."""
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", _bare(expression))
    for name, matchers, called in re.findall(r"(?<![\w.])([a-z_]\w*(?::\w+)*)\s*({[^}]*})?\s*(\()?", text):
        if not called and name not in _KEYWORDS:
            yield name, set(re.findall(r"(\w+)\s*(?:=|!)", matchers))


def grouped(expression: str) -> set[str]:
    """Labels that an expression groups or matches by."""
    lists = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", _bare(expression))
    return {label for names in lists for label in re.findall(r"\w+", names)}


def _bare(expression: str) -> str:
    """An expression without its comments, its strings and its ranges."""
    for what in (r"#.*", r'"[^"]*"', r"\[[^]]*\]"):
        expression = re.sub(what, " ", expression)
    return expression
