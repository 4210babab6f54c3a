"""Spoilt compressed frames, codec after codec, while sound films wait for the same child."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import uid

from benchmarks.resilience.server import Server, running
from benchmarks.resilience.table import Row
from imaging.phantom import phantom
from tests.imaging.compressed import compressed_film
from tests.imaging.mutated_frames import CODECS, mutated, valid_frames

_SEED = 16
_OK = 200
_REFUSED = {413, 415, 422}
_OUTCOMES = {"took over": "killed by the time limit", "made its decoder fail": "ended their child"}
"""What the detail of a refusal shows of the child."""
_WAIT_S = 6.0
"""3 s and 2 s for the megapixel of the largest frame, and a new child."""
_PAUSE_S = 0.05
_SOUND = compressed_film(phantom(64, 48, seed=2), uid.JPEGLossless)
_ANY = {"Content-Type": "application/dicom", "X-Deadline-Ms": "120000"}


def spoilt_frames(*, seconds: float) -> list[Row]:
    """As many spoilt frames of each codec as one child decodes in its share of the seconds."""
    with running(decode_workers=1) as server:
        for codec in CODECS:  # loads what decodes them
            for frame in valid_frames(codec):
                server.ask("POST", "/predict", frame.film(), _ANY)
        with _sound_films(server) as waits:
            rows = [_codec(server, codec, seconds / len(CODECS)) for codec in CODECS]
        statuses = Counter(status for status, _ in waits)
        longest_s = max(seconds for _, seconds in waits)
        alive = server.status("/livez")
    name = "sound films beside spoilt frames"
    return [
        *rows,
        Row(name, "statuses; /livez", f"{_counted(statuses)}; {alive}", "200; 200", {*statuses, alive} == {200}),
        Row(name, "longest wait", f"{longest_s:.1f} s", f"< {_WAIT_S:g} s", longest_s < _WAIT_S, timing=True),
    ]


def _codec(server: Server, codec: str, seconds: float) -> Row:
    generator = random.Random(_SEED)  # noqa: S311 the same frames each time
    frames = valid_frames(codec)
    outcomes = Counter[str]()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        outcomes[_outcome(*server.ask("POST", "/predict", mutated(frames, generator).film(), _ANY))] += 1
    expected = {"decoded", "refused", *_OUTCOMES.values()}
    value = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    return Row(
        f"spoilt frames, {codec}",
        "frames tried; what became of them",
        f"{outcomes.total()}; {value}",
        "200, 413, 415, 422",
        set(outcomes) <= expected,
    )


def _outcome(status: int, answer: bytes) -> str:
    """In a word; a frame that cost the child that decoded it is not merely refused."""
    if status == _OK:
        return "decoded"
    if status not in _REFUSED:
        return f"answered {status}"
    detail = json.loads(answer)["detail"]
    return next((outcome for words, outcome in _OUTCOMES.items() if words in detail), "refused")


@contextmanager
def _sound_films(server: Server) -> Iterator[list[tuple[int, float]]]:
    """A caller who sends one sound film after another; status and seconds of each."""
    answers: list[tuple[int, float]] = []
    over = threading.Event()

    def call() -> None:
        while not over.wait(_PAUSE_S):
            start = time.perf_counter()
            status, _ = server.ask("POST", "/predict", _SOUND, _ANY)
            answers.append((status, time.perf_counter() - start))

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield answers
    finally:
        over.set()
        caller.join()


def _counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
