"""Small files that ask for gigabytes or minutes, one after another."""

import time
from pathlib import Path

from benchmarks.resilience.server import Server, running
from benchmarks.resilience.table import Row
from tests.service.bombs import BOMBS, CUT_OFF

_REFUSED = {413, 415, 422}


def bombs(_folder: Path) -> list[Row]:
    """Each is sent twice: the first of a kind may load libraries."""
    with running(decode_workers=1) as server:
        found = {name: _exploded(server, make()) for name, make in BOMBS.items()}
        alive = server.status("/livez")
    odd = [
        name for name, (status, _, _) in found.items() if status not in _REFUSED | ({200} if name in CUT_OFF else set())
    ]
    slowest = max(found, key=lambda bomb: found[bomb][1])
    largest = max(found, key=lambda bomb: found[bomb][2])
    seconds = found[slowest][1]
    growth_mb = found[largest][2]
    name = f"{len(BOMBS)} decompression bombs"
    answered = f"{len(BOMBS) - len(odd)} of {len(BOMBS)} as expected{''.join(f'; not {name}' for name in odd)}"
    return [
        Row(
            name,
            "statuses; /livez",
            f"{answered}; {alive}",
            "413, 415, 422 (200 if cut off); 200",
            not odd and alive == 200,
        ),
        Row(name, "slowest", f"{seconds:.2f} s, {slowest}", "< 2 s", seconds < 2, timing=True),
        Row(name, "largest growth of the service", f"{growth_mb:.0f} MB, {largest}", "< 100 MB", growth_mb < 100),
    ]


def _exploded(server: Server, content: bytes) -> tuple[int, float, float]:
    """Status, seconds, and MB by which the highest memory passes the memory before."""
    server.ask("POST", "/predict", content)
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # forget the highest memory so far
    before = server.memory_mb
    start = time.perf_counter()
    status, _ = server.ask("POST", "/predict", content)
    seconds = time.perf_counter() - start
    return status, seconds, server.highest_memory_mb - before
