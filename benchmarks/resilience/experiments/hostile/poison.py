"""Films that harm: among good ones in a batch, and in the children that decode."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydicom import uid

from benchmarks.resilience.load import films
from benchmarks.resilience.server import Server, running, until
from benchmarks.resilience.table import Row
from imaging.phantom import phantom
from tests.imaging.compressed import compressed_film, encapsulated_film, killers

_GOOD = phantom(64, 48, seed=2)
_DEATHS = "cxr_decode_worker_deaths_total"


def poison(_folder: Path) -> list[Row]:
    """Seven good films and a broken one; frames that abort their codec; a child that is killed while it decodes."""
    with running(max_batch_size=8, concurrent_runs=1, decode_workers=1) as server:
        return [_batch(server), _aborts(server), _killed(server)]


def _batch(server: Server) -> Row:
    good = films(7)
    alone = [_probabilities(json.loads(server.ask("POST", "/predict", film)[1])) for film in good]
    sent = [*good[:3], good[3][:500], *good[3:]]
    body, media_type = _form(sent)
    status, answer = server.ask("POST", "/predict/batch", body, {"Content-Type": media_type})
    results = json.loads(answer)["results"]
    problems = [result["problem"]["status"] for result in results if "problem" in result]
    together = [_probabilities(result) for result in results if "prediction" in result]
    apart = (
        max((abs(left[label] - right[label]) for left, right in zip(alone, together, strict=True) for label in left))
        if len(together) == len(alone)
        else float("nan")
    )
    kept = status == 200 and problems == [422] and apart <= 1e-5
    value = f"{len(together)} answers, {len(problems)} problem, {apart:.1e} apart"
    return Row("poison, 7 good films and 1 broken", "answers, against alone", value, "7, 1, <= 1e-5", kept)


def _aborts(server: Server) -> Row:
    """Each killer ends the process that decodes it."""
    before = server.metric(_DEATHS)
    frames = killers(_GOOD)
    statuses = []
    for _, syntax, fragments in frames:
        statuses.append(server.ask("POST", "/predict", encapsulated_film(fragments, syntax, _GOOD))[0])
        statuses.append(server.ask("POST", "/predict", compressed_film(_GOOD, syntax))[0])
    deaths = server.metric(_DEATHS) - before
    value = f"{statuses.count(422)} x 422, {statuses.count(200)} x 200, {deaths:g} deaths"
    kept = statuses == [422, 200] * len(frames) and deaths == len(frames)
    return Row("poison, codecs that abort", "bad and good films in turn", value, f"{len(frames)} of each", kept)


def _killed(server: Server) -> Row:
    """SIGKILL, as the kernel sends it where memory is short."""
    before, child = server.metric(_DEATHS), max(server.decoders)  # the latest; one before it may not be gone yet
    slow = compressed_film(phantom(3000, 2500, seed=1), uid.JPEG2000Lossless)
    with ThreadPoolExecutor(1) as caller:
        used = _ticks(child)
        answer = caller.submit(server.ask, "POST", "/predict", slow)
        until(lambda: _ticks(child) > used + 5, "the child decodes")
        os.kill(child, signal.SIGKILL)
        failed = answer.result()[0]
    after = server.ask("POST", "/predict", compressed_film(_GOOD, uid.JPEGLossless))[0]
    deaths = server.metric(_DEATHS) - before
    kept = (failed, after, deaths) == (422, 200, 1)
    value = f"{failed}, next {after}, {deaths:g} death"
    return Row("poison, child killed while it decodes", "its film, the next", value, "422, 200, 1 death", kept)


def _ticks(process: int) -> int:
    """Processor time, in hundredths of a second."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _probabilities(answer: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    return answer["prediction"]["probabilities"]


def _form(contents: list[bytes]) -> tuple[bytes, str]:
    """A multipart form of films, and its media type."""
    head = b'--films\r\nContent-Disposition: form-data; name="files"; filename="film"\r\n\r\n'
    return b"".join(
        head + content + b"\r\n" for content in contents
    ) + b"--films--\r\n", "multipart/form-data; boundary=films"
