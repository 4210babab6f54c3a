"""Two sites with the same films: one sends them as they are, the other at another contrast."""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from imaging.decode import decode
from schemas.acceptance import AcceptanceReport
from service.acceptance.folder import read_record
from trainer.films.film import Film

CONTRAST: Final = 2.5
"""Of site B: gray levels are stretched so far about each film's mean that many dark and bright ones are lost. Much less
would not be rejected: the bundle was trained with films of other contrasts."""
OF_A_KIND: Final = 100
LIMITS: Final = """\
stated_prevalence: 0.05
limits:
  sensitivity: {at_least: 0.85}
  specificity: {at_least: 0.75}
  missed: {at_most: 0.12}
  answered: {at_least: 0.5}
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the demonstration."""

    title: str
    outcome: str
    seconds: float
    page: Path | None


@dataclass(frozen=True, slots=True)
class Sites:
    """The folder of the demonstration; commands run as a user runs them."""

    out: Path
    models: Path
    finding: str

    def prepare(self, films: Sequence[Film]) -> None:
        """Write the films of both sites, and those with which site B chooses; no film is in two roles at one site."""
        tested, choosing = _halves(films, self.finding)
        self._write("site-a", tested, contrast=1.0)
        self._write("site-b", tested, contrast=CONTRAST)
        self._write("site-b-labelled-before", choosing, contrast=CONTRAST)
        (self.out / "limits.yaml").write_text(LIMITS, encoding="utf-8")
        self._run("site", "keygen", str(self.out / "site.key"))

    def accept(self, site: str, name: str, *, own: bool = False) -> tuple[Step, AcceptanceReport | None]:
        """Test the bundle at a site, at its own operating point or at the site's; the report has `name`."""
        films = self.out / site
        start = time.perf_counter()
        status, text = self._run(
            *("accept", str(films / "films"), str(films / "labels.csv"), "--limits", str(self.out / "limits.yaml")),
            *("--out", str(self.out / name), "--site", site, "--key", str(self.out / "site.key")),
            own=own,
        )
        seconds = time.perf_counter() - start
        if not (self.out / name / "report.json").is_file():
            return Step(name, f"status {status}: {text}", seconds, None), None
        report = read_record(self.out / name)
        return Step(name, f"{report.verdict}\n{text}", seconds, self.out / name / "report.html"), report

    def choose(self) -> Step:
        """Choose site B's own operating point, or be refused with the reason."""
        films = self.out / "site-b-labelled-before"
        start = time.perf_counter()
        _, text = self._run(
            *("site", "profile", str(films / "films"), str(films / "labels.csv"), "--site", "site-b"),
            *("--risk", "0.1", "--alarm-risk", "0.1", "--key", str(self.out / "site.key")),
            *("--profiles", str(self.out / "profiles")),
        )
        return Step("site-b: own operating point", text, time.perf_counter() - start, None)

    def _write(self, site: str, films: Sequence[Film], *, contrast: float) -> None:
        folder = self.out / site / "films"
        folder.mkdir(parents=True)
        with (self.out / site / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(("film", self.finding))
            for number, film in enumerate(films):
                name = f"{number:03}.png"
                gray = decode(film.path.read_bytes()).pixels.astype(np.float64)
                changed = np.clip(gray.mean() + contrast * (gray - gray.mean()), 0, 255)
                (folder / name).write_bytes(cv2.imencode(".png", changed.round().astype(np.uint8))[1].tobytes())
                table.writerow((name, int(film.label == self.finding)))

    def _run(self, *arguments: str, own: bool = False) -> tuple[int, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CXR_")}
        environment["CXR_MODELS_DIR"] = str(self.models)
        if own:
            environment["CXR_SITE_PROFILES_DIR"] = str(self.out / "profiles")
            environment["CXR_SITE_KEYS_FILE"] = str(self.out / "site.key.pub")
        done = subprocess.run(
            [sys.executable, "-m", "service", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, (done.stdout + done.stderr).strip()


def _halves(films: Sequence[Film], finding: str) -> tuple[list[Film], list[Film]]:
    """Films to test and films to choose with, `OF_A_KIND` of each kind in each, drawn with a fixed seed."""
    random = np.random.default_rng(0)
    tested: list[Film] = []
    choosing: list[Film] = []
    for with_finding in (True, False):
        kind = [film for film in films if (film.label == finding) == with_finding]
        order = random.permutation(len(kind))
        tested += [kind[place] for place in order[:OF_A_KIND]]
        choosing += [kind[place] for place in order[OF_A_KIND : 2 * OF_A_KIND]]
    return tested, choosing
