"""Load by `wrk`: closed loop, keep-alive, films in turn; a script in Lua prints what was measured as JSON.

The rate is that between the first and the last answer after a warm-up, so neither the first films, which find idle
cores, nor those that are under way at the end change it.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WARM_UP_S: Final = 0.5
TIMEOUT_S: Final = 30

_SCRIPT: Final = """\
local ffi = require("ffi")
ffi.cdef[[
typedef struct { long seconds; long nanoseconds; } monotonic_time;
int clock_gettime(int clock, monotonic_time *time);
]]
local time = ffi.new("monotonic_time")
local threads = {}

local function now()
  ffi.C.clock_gettime(1, time)
  return tonumber(time.seconds) + 1e-9 * tonumber(time.nanoseconds)
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(arguments)
  requests, turn, films, first, last = {}, 0, 0, 0, 0
  local headers = { ["Content-Type"] = "image/jpeg" }
  for place = 2, #arguments do
    local file = assert(io.open(arguments[place], "rb"))
    requests[#requests + 1] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
  end
  from = now() + tonumber(arguments[1])
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function response(status, headers, body)
  local at = now()
  if at >= from then
    if first == 0 then first = at else films = films + 1 end
    last = at
  end
end

function done(summary, latency, requests)
  local thread, errors = threads[1], summary.errors
  io.write(string.format(
    '\\n{"answered": %d, "films": %d, "span_s": %.6f, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\\n',
    summary.requests, thread:get("films"), thread:get("last") - thread:get("first"),
    latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class GeneratorError(Exception):
    """The load generator is missing, or did not print what it measured."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one window of load was answered."""

    answered: int
    """Films in all, those of the warm-up too."""
    films: int
    """Films while the rate was taken."""
    span_s: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def films_per_s(self) -> float:
        """The rate; 0 where less than two films were answered."""
        return self.films / self.span_s if self.span_s > 0 else 0.0


def generator() -> str:
    """Name and version of the generator.

    Raises:
        GeneratorError: it is not installed.
    """
    if shutil.which("wrk") is None:
        msg = "wrk, which makes the load, is not installed; install it (Debian, Ubuntu: apt install wrk)"
        raise GeneratorError(msg)
    shown = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    return " ".join((shown.stdout + shown.stderr).split()[:2])


def write_script(folder: Path) -> Path:
    """Put the script where `wrk` can read it."""
    script = folder / "films.lua"
    script.write_text(_SCRIPT)
    return script


def run_wrk(script: Path, address: str, films: Sequence[Path], clients: int, seconds: int) -> Load:
    """One window: `clients` connections, each with one film at a time.

    Args:
        script: of `write_script`.
        address: with the path.
        films: files that are posted in turn.
        clients: connections.
        seconds: whole ones; in the first `WARM_UP_S` no rate is taken.

    Raises:
        GeneratorError: see `parsed`.
    """
    command = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s"]
    command += ["--timeout", f"{TIMEOUT_S}s", "--script", str(script), address, "--", str(WARM_UP_S)]
    done = subprocess.run([*command, *map(str, films)], capture_output=True, text=True, check=False)
    return parsed(done.stdout, done.stderr)


def parsed(output: str, complaint: str = "") -> Load:
    """Read what the script printed.

    Raises:
        GeneratorError: there is no line of JSON in it.
    """
    line = next((line for line in reversed(output.splitlines()) if line.startswith("{")), None)
    if line is None:
        msg = f"wrk printed no figures; it said: {(complaint or output).strip()[-200:] or 'nothing'}"
        raise GeneratorError(msg)
    told = json.loads(line)
    return Load(
        answered=told["answered"],
        films=told["films"],
        span_s=told["span_s"],
        p50_ms=told["p50_us"] / 1e3,
        p99_ms=told["p99_us"] / 1e3,
        errors=told["refused"] + told["broken"],
    )
