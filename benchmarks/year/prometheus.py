"""A real Prometheus over the year: blocks by promtool, the shipped recording rules backfilled, each alert asked.

`promtool tsdb create-blocks-from rules` leaves alerting rules out. So the expression of each alert, as it is shipped,
is asked of the same engine by ranges, and its `for:` is applied here as Prometheus applies it: an alert fires once its
expression has had a value at every evaluation for so long.
"""

import json
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.year.hospital import EPOCH
from benchmarks.year.series import EVALUATION_S, RULES

_POINTS: Final = 10_000
"""Of one answer; Prometheus gives 11,000."""
_WHOLE_MONTHS: Final = "--max-block-duration=744h"
"""A block of two hours for each rule would be 130,000 of them."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
READY_S: Final = 60


def backfill(files: Sequence[Path], data: Path) -> None:
    """Make the blocks of a database."""
    for file in files:
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", _WHOLE_MONTHS, "-q"]
        subprocess.run([*command, str(file), str(data)], check=True, capture_output=True, text=True)
        file.unlink()


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """Prometheus over these blocks; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    config = data.parent / "prometheus.yml"
    config.write_text("global: {scrape_interval: 15s}\n")
    options = [f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address={listen}"]
    options += ["--storage.tsdb.retention.time=100y", "--query.timeout=30m", "--log.level=error"]
    process = subprocess.Popen(["prometheus", *options, "--query.max-samples=500000000"])
    try:
        end = time.monotonic() + READY_S
        while not _is_ready(listen):
            if time.monotonic() > end or process.poll() is not None:
                msg = "prometheus did not become ready; start it by hand with these options to see why"
                raise TimeoutError(msg)
            time.sleep(0.1)
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(60)


def _is_ready(listen: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{listen}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def record_rules(address: str, data: Path, seconds: int) -> None:
    """Evaluate the shipped recording rules over the year; a Prometheus that starts after it has their series."""
    span = [f"--start={EPOCH}", f"--end={EPOCH + seconds}", f"--url={address}", f"--output-dir={data}"]
    command = ["promtool", "tsdb", "create-blocks-from", "rules", _WHOLE_MONTHS, "-q", *span]
    command.append(f"--eval-interval={EVALUATION_S}s")
    rules = yaml.safe_load((RULES / "recording_rules.yml").read_text())
    for group in rules["groups"]:
        group.pop("interval", None)  # as often as all others here
    shipped = data.parent / "recording_rules.yml"
    shipped.write_text(yaml.safe_dump(rules))
    subprocess.run([*command, str(shipped)], check=True, capture_output=True, text=True)


def alerts() -> list[dict[str, Any]]:
    """Every alert that is shipped."""
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def firing(address: str, rule: dict[str, Any], seconds: int) -> list[tuple[float, float]]:
    """From when to when the alert fires, in seconds of the year; of all its series together."""
    holds_s = duration(rule.get("for", "0s"))
    fired: set[int] = set()
    for series in _ranges(address, rule["expr"], seconds):
        since = previous = -(10**9)
        for at_s in series:
            if at_s - previous > EVALUATION_S:
                since = at_s
            previous = at_s
            if at_s - since >= holds_s:
                fired.add(at_s)
    return spans(sorted(fired))


def spans(moments: Sequence[int]) -> list[tuple[float, float]]:
    """Moments as stretches without a gap."""
    found: list[tuple[float, float]] = []
    for at_s in moments:
        if found and at_s - found[-1][1] <= EVALUATION_S:
            found[-1] = (found[-1][0], at_s)
        else:
            found.append((at_s, at_s))
    return found


def duration(text: str) -> int:
    """Seconds of a duration such as 10m."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


def _ranges(address: str, expression: str, seconds: int) -> Iterator[list[int]]:
    """Moments of the year at which each series of the expression has a value."""
    moments: dict[str, list[int]] = {}
    for begin in range(0, seconds, _POINTS * EVALUATION_S):
        end = min(begin + (_POINTS - 1) * EVALUATION_S, seconds - EVALUATION_S)
        asked = {"query": expression, "start": EPOCH + begin, "end": EPOCH + end, "step": EVALUATION_S}
        data = urllib.parse.urlencode(asked).encode()
        with urllib.request.urlopen(f"{address}/api/v1/query_range", data, timeout=1800) as answer:  # noqa: S310 our own
            result = json.load(answer)["data"]["result"]
        for row in result:
            name = json.dumps(row["metric"], sort_keys=True)
            moments.setdefault(name, []).extend(round(at - EPOCH) for at, _ in row["values"])
    yield from moments.values()
