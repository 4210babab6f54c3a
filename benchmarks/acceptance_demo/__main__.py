"""Prove it here, watch it, stop it: the hospital's own evidence, with the shipped bundle and public films.

    python -m benchmarks.acceptance_demo --data ../shared/data/kermany224 --split runs/ID/split.csv

Validation films are site A, which accepts the bundle; the same films at 2.5 times the contrast are site B, which
rejects it, chooses an operating point of its own on other films, and tests again. Without films this is left out, and
said so. A stream with planted harm, which needs no films, follows where its program is there.
"""

import argparse
import importlib
import importlib.util
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.acceptance_demo.sites import Sites, Step
from bundle.files import sha256_of
from bundle.opening import open_bundle
from schemas.model.manifest import CURRENT, BundleManifest
from schemas.model.provenance import Provenance
from trainer.films.splits import read_split

MODELS: Final = Path("models")
STREAM: Final = "benchmarks.acceptance_demo.stream"
DATASET: Final = "kermany224"


def main() -> None:
    """Run the parts that can be run; the status is 1 where one ends otherwise than it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"folder of the films; default: {DATASET} of CXR_DATA_DIR")
    parser.add_argument("--split", type=Path, help="split.csv of the bundle's run; default: found below runs/")
    parser.add_argument("--out", type=Path, default=Path(".cache/acceptance-demo"), help="default: %(default)s")
    options = parser.parse_args()
    start = time.perf_counter()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    failed = _sites(options.data, options.split, options.out)
    if importlib.util.find_spec(STREAM) is None:
        print("stream: left out, its program is not there")
    else:
        print(f"stream: {importlib.import_module(STREAM).run(options.out)}")
    print(f"{time.perf_counter() - start:.0f} s in all")
    sys.exit(int(failed))


def _sites(data: Path | None, split: Path | None, out: Path) -> bool:
    """Whether a site ends otherwise than it must."""
    bundle = open_bundle(MODELS / (MODELS / CURRENT).read_text(encoding="utf-8").strip())
    folder = data or (Path(os.environ["CXR_DATA_DIR"]) / DATASET if "CXR_DATA_DIR" in os.environ else None)
    found = split or _split_of(bundle.manifest)
    if folder is None or found is None:
        missing = "films (--data or CXR_DATA_DIR)" if folder is None else "the split of the bundle's run (--split)"
        print(f"sites: left out, there are no {missing}")
        return False
    (finding,) = bundle.manifest.findings
    sites = Sites(out.resolve(), MODELS.resolve(), finding)
    sites.prepare(read_split(found, folder).of("val"))
    step, accepted = sites.accept("site-a", "site-a-report")
    _print(step)
    step, rejected = sites.accept("site-b", "site-b-report")
    _print(step)
    _print(sites.choose())
    step, own = sites.accept("site-b", "site-b-own-report", own=True)
    _print(step)
    verdicts = [None if report is None else report.verdict for report in (accepted, rejected)]
    return verdicts != ["accept", "reject"] or own is None


def _split_of(manifest: BundleManifest) -> Path | None:
    """The split of the run that the bundle is of, where it lies below runs/: its validation films taught it nothing."""
    made = manifest.provenance
    if not isinstance(made, Provenance):
        return None
    return next(
        (path for path in sorted(Path("runs").glob("*/split.csv")) if sha256_of(path) == made.split_sha256), None
    )


def _print(step: Step) -> None:
    print(f"\n{step.title} ({step.seconds:.0f} s): {step.outcome}")
    if step.page is not None:
        print(f"page: {step.page}")


if __name__ == "__main__":
    main()
