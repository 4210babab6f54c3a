"""A stream with planted harm: the real service, verdicts of truth, and a stop that it makes by itself.

    CXR_DATA_DIR=… python -m benchmarks.acceptance_demo.stream

The service reads films in order, is told the truth about each, then its films change. It has to stop itself, to be
stopped again after `kill -9`, and to answer once somebody lifts the stop.
"""

import json
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.acceptance_demo.films import FINDING, Case, Source, source_of
from benchmarks.acceptance_demo.stream_page import page
from benchmarks.resilience.server import Server
from bundle.files import write_whole
from service.dicomweb.multipart import write_parts
from service.security.keys import KeyFile, new_key, write_keys

GOOD: Final = 60
HARMED: Final = 160
"""At most: the stream ends soon after the service has stopped itself."""
TOGETHER: Final = 10
AFTER: Final = 10
LIMITS: Final = {
    "format": 1,
    "alpha": 0.05,
    "limits": [
        {"figure": "specificity", "finding": FINDING, "at_least": 0.85},
        {"figure": "sensitivity", "finding": FINDING, "at_least": 0.8},
    ],
}
REASON: Final = "the contrast of room 3 was corrected, and films of it were checked"

Answer = dict[str, Any]


@dataclass(slots=True)
class Story:
    """What happened, for the page."""

    source: Source
    good: int = GOOD
    """Films in order, before the harm."""
    decisions: list[str] = field(default_factory=list)
    """Of each film, in their order."""
    present: list[bool] = field(default_factory=list)
    stopped_at: int | None = None
    """The film whose verdict stopped the service, from 1."""
    monitoring: Answer = field(default_factory=dict)
    """At the stop."""
    recommendation: str = ""
    """With a film after it."""
    killed: Answer = field(default_factory=dict)
    """Of the service that was started after `kill -9`."""
    lifted: list[str] = field(default_factory=list)
    """Decisions after the stop was lifted, with films in order again."""
    log: list[Answer] = field(default_factory=list)
    """What the audit log holds of it."""
    seconds: float = 0.0


class Site:
    """The service, its key, and how a film is read and judged there."""

    def __init__(self, folder: Path, source: Source) -> None:
        key, entry = new_key("demonstration", ("predict", "dicom", "verdict", "metrics", "admin"))
        write_keys(folder / "keys.json", KeyFile(keys=(entry,)))
        write_whole(folder / "limits.json", json.dumps(LIMITS, indent=2).encode())
        self._folder = folder
        self._headers = {"X-API-Key": key}
        self._settings: dict[str, Any] = {
            "models_dir": source.models_dir.resolve(),
            "dicomweb": "true",
            "spool_url": f"sqlite:///{folder}/spool.db",
            "audit_file": folder / "audit.jsonl",
            "api_keys_file": folder / "keys.json",
            "stop_limits": folder / "limits.json",
            "audit_sync": "false",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the service, and end it unless it was killed."""
        self.server = Server(**self._settings)
        try:
            self.server.wait_until_ready()
            yield
        finally:
            if self.server.process.poll() is None:
                self.server.process.send_signal(signal.SIGTERM)
            self.server.process.wait(60)

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Answer:
        """The answer of a request that has to succeed."""
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": kind}
        status, answer = self.server.ask(method, path, content, headers)
        if status != 200:
            msg = f"{method} {path} answered {status}: {answer[:300]!r}"
            raise RuntimeError(msg)
        found: Answer = json.loads(answer)
        return found

    def read(self, cases: list[Case]) -> list[Answer]:
        """Store films by STOW-RS, and wait for what is answered about each."""
        body, kind = write_parts([case.content for case in cases])
        self.ask("POST", "/dicomweb/studies", body, kind)
        end = time.monotonic() + 120
        answers = []
        for case in cases:
            while (result := self.ask("GET", f"/results/{case.name}"))["analysis"] is None:
                if time.monotonic() > end:
                    msg = f"a film was not read in time; it is {result['state']}: {result['detail']}"
                    raise TimeoutError(msg)
                time.sleep(0.05)
            answers.append(result["analysis"]["prediction"])
        return answers

    def tell(self, case: Case) -> None:
        """The truth about a film, as a verdict."""
        corrected = {FINDING: "present" if case.present else "absent"}
        self.ask("POST", f"/results/{case.name}/verdict", {"verdict": "modify", "corrected": corrected})

    def suspended(self) -> bool:
        """Whether the service is, as its own readiness says."""
        return self.ask("GET", "/readyz").get("suspended") is not None

    def log(self) -> list[Answer]:
        """The lines of the audit log about limits and stops."""
        lines = [json.loads(line) for line in (self._folder / "audit.jsonl").read_bytes().splitlines()]
        return [line for line in lines if line["event"] in ("limits", "suspended", "lifted")]


def run(out: Path) -> Path:
    """Play the stream, and write `stream.html` below `out`; returns its path.

    Raises:
        RuntimeError: the service does not stop itself, does not stay stopped, or does not answer afterwards.
    """
    start = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as name:
        folder = Path(name).resolve()
        story = Story(source_of(folder))
        site = Site(folder, story.source)
        with site.running():
            _play(site, story)
            site.server.process.kill()
        with site.running():
            story.killed = site.ask("GET", "/monitoring")
            require(story.killed["suspended"], "the stop is gone after kill -9")
            site.ask("POST", "/monitoring/resume", {"reason": REASON})
            answers = site.read(list(story.source.cases(AFTER, shifted=False, seed=3)))
            story.lifted = [answer["decision"] for answer in answers]
        story.log = site.log()
    require(set(story.lifted) & {"positive", "negative"}, "nothing is answered after the stop was lifted")
    story.seconds = time.perf_counter() - start
    write_whole(out / "stream.html", page(story).encode())
    return out / "stream.html"


def _play(site: Site, story: Story) -> None:
    """Films in order, then films with the harm, until the service has stopped itself; and a few more."""
    good = list(story.source.cases(GOOD, shifted=False, seed=1))
    harmed = list(story.source.cases(HARMED, shifted=True, seed=2))
    for cases in _batches([*good, *harmed]):
        answers = site.read(cases)
        for case, answer in zip(cases, answers, strict=True):
            story.decisions.append(answer["decision"])
            story.present.append(case.present)
            if story.stopped_at is None:
                site.tell(case)
                if site.suspended():
                    story.stopped_at = len(story.decisions)
                    story.monitoring = site.ask("GET", "/monitoring")
            elif "suspended" in answer["abstention_reasons"]:
                story.recommendation = answer["recommendation"]
        if story.recommendation:
            break
    require(
        story.stopped_at is not None and story.stopped_at > GOOD, "the service did not stop itself after the change"
    )
    require(story.recommendation, "no film was answered as suspended")


def _batches(cases: list[Case]) -> Iterable[list[Case]]:
    return (cases[start : start + TOGETHER] for start in range(0, len(cases), TOGETHER))


def require(holds: object, otherwise: str) -> None:
    """Fail the demonstration where it does not show what it has to."""
    if not holds:
        raise RuntimeError(otherwise)


if __name__ == "__main__":
    print(run(Path(".cache/acceptance-demo")))
