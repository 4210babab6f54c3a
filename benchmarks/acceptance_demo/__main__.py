"""Prove it here, watch it, stop it: the hospital's own evidence, with the shipped bundle and public films.

    python -m benchmarks.acceptance_demo [--data ../shared/data/kermany224]

Validation films are site A, which accepts the bundle; the same films at 2.5 times the contrast are site B, which
rejects it, chooses an operating point of its own on other films, and tests again. Without films this is left out, and
said so. A stream with planted harm follows, of these films or of made ones, until the service stops itself.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from benchmarks.acceptance_demo import stream
from benchmarks.acceptance_demo.films import DATASET, MODELS, folder_of_films, shipped, validation_films
from benchmarks.acceptance_demo.sites import Sites, Step


def main() -> None:
    """Run the parts that can be run; the status is 1 where one ends otherwise than it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"folder of the films; default: {DATASET} of CXR_DATA_DIR")
    parser.add_argument("--out", type=Path, default=Path(".cache/acceptance-demo"), help="default: %(default)s")
    options = parser.parse_args()
    start = time.perf_counter()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    failed = _sites(options.data or folder_of_films(), options.out)
    print(f"stream: {stream.run(options.out)}")
    print(f"{time.perf_counter() - start:.0f} s in all")
    sys.exit(int(failed))


def _sites(folder: Path | None, out: Path) -> bool:
    """Whether a site ends otherwise than it must."""
    manifest = shipped()
    films = () if folder is None else validation_films(manifest, folder)
    if not films:
        reason = "there are none (--data or CXR_DATA_DIR)" if folder is None else f"{folder} are not the bundle's own"
        print(f"sites: left out, for want of validation films: {reason}")
        return False
    (finding,) = manifest.findings
    sites = Sites(out.resolve(), MODELS.resolve(), finding)
    sites.prepare(films)
    step, accepted = sites.accept("site-a", "site-a-report")
    _print(step)
    step, rejected = sites.accept("site-b", "site-b-report")
    _print(step)
    _print(sites.choose())
    step, own = sites.accept("site-b", "site-b-own-report", own=True)
    _print(step)
    verdicts = [None if report is None else report.verdict for report in (accepted, rejected)]
    return verdicts != ["accept", "reject"] or own is None


def _print(step: Step) -> None:
    print(f"\n{step.title} ({step.seconds:.0f} s): {step.outcome}")
    if step.page is not None:
        print(f"page: {step.page}")


if __name__ == "__main__":
    main()
