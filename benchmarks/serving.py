"""How fast the real server answers: latency of one client, throughput of several, for small and large films.

Starts `python -m service` on a free port with the bundle in `models/`, sends synthetic films from closed-loop
clients on the same machine (so they share its cores) and prints one Markdown table.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from benchmarks.peers.machine import family, usage
from imaging.phantom import phantom

READY_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Load:
    """One row: who asks for what."""

    route: str
    side: int
    clients: int


LOADS = tuple(
    Load(route, side, clients) for route in ("/predict", "/explain") for side in (224, 1500) for clients in (1, 8)
)


@dataclass(frozen=True, slots=True)
class Started:
    """A service that is ready."""

    process: int
    port: int
    ready_s: float
    """Since its start, on the clock."""
    ready_cpu_s: float
    """The same in processor time of all of its processes, which other programs do not lengthen as much."""


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def server(port: int, **variables: str) -> Iterator[Started]:
    """Run the service as `make run` does, with these variables beside those of the environment, until it is left."""
    large_pages = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    environment = {**large_pages, **os.environ, "CXR_PORT": str(port), "CXR_LOG_FORMAT": "json", **variables}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "service"], env=environment, stderr=subprocess.DEVNULL)
    try:
        while status(port, "/readyz") != http.client.OK:
            if process.poll() is not None or time.perf_counter() - started > READY_TIMEOUT_S:
                sys.exit("the service did not become ready; start it by hand with `make run` to see why")
            time.sleep(0.02)
        ready_s = time.perf_counter() - started
        yield Started(process.pid, port, ready_s, usage(family(process.pid)).family_s)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def status(port: int, path: str) -> int | None:
    """HTTP status of a GET, None while nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def client(port: int, load: Load, film: bytes, until: float) -> list[float]:
    """Send `film` again and again; seconds of each answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    seconds = []
    while (start := time.perf_counter()) < until:
        connection.request("POST", load.route, body=film, headers={"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            sys.exit(f"{load.route} answered {answer.status}: {json.loads(body)['code']}")
        seconds.append(time.perf_counter() - start)
    connection.close()
    return seconds


def measure(port: int, load: Load, duration_s: float) -> tuple[float, float, float]:
    """Median and 95th percentile in ms, and films per second, of `load`."""
    _, encoded = cv2.imencode(".jpeg", phantom(load.side, load.side, seed=1), [cv2.IMWRITE_JPEG_QUALITY, 90])
    film = encoded.tobytes()
    client(port, load, film, time.perf_counter() + 0.5)
    with ThreadPoolExecutor(load.clients) as pool:
        until = time.perf_counter() + duration_s
        runs = list(pool.map(lambda _: client(port, load, film, until), range(load.clients)))
    seconds = sorted(second for run in runs for second in run)
    return 1e3 * statistics.median(seconds), 1e3 * seconds[int(0.95 * len(seconds))], len(seconds) / duration_s


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="length of each row (default: %(default)s)")
    seconds = parser.parse_args().seconds
    port = free_port()
    print(f"{os.cpu_count()} cores, bundle {Path('models/current').read_text().strip()}")
    with server(port) as started:
        print(f"ready after {started.ready_s:.2f} s\n")
        print("| route | film | clients | p50 ms | p95 ms | films/s |\n| --- | --- | ---: | ---: | ---: | ---: |")
        for load in LOADS:
            p50, p95, rate = measure(port, load, seconds)
            print(
                f"| {load.route} | {load.side}² JPEG | {load.clients} | {p50:.1f} | {p95:.1f} | {rate:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
