"""`python -m service tune`: measure a bundle on this machine, and write the profile that the service then uses."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.commands.command import Command, ExitCode

if TYPE_CHECKING:
    from schemas.tuning import Measured, TuningProfile

SHORTEST_S: Final = 1.0


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", metavar="NAME/VERSION", help="default: the bundle that the service would serve")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of profiles; default: CXR_TUNING_DIR")
    parser.add_argument("--seconds", type=float, default=60.0, help="that the measurement may take; default: 60")
    parser.add_argument("--rounds", type=int, default=3, help="of which each figure is the median; default: 3")
    parser.add_argument("--no-processes", action="store_true", help="measure one process alone")
    parser.add_argument("--json", action="store_true", help="print the profile instead of the table")


def _tune(options: argparse.Namespace) -> int:
    from schemas.errors import SettingsError
    from service.commands.tuning.session import Tuning
    from service.engine.tuned import write_profile
    from service.models.registry import BundleRegistry
    from service.settings import load_settings

    settings = load_settings()
    folder = options.out or settings.engine.tuning_dir
    if folder is None or not folder.is_dir():
        msg = "profiles need a folder that exists; name it by --out, or in CXR_TUNING_DIR, where the service finds it"
        raise SettingsError(msg)
    if options.seconds < SHORTEST_S or options.rounds < 1:
        msg = f"--seconds is at least {SHORTEST_S:g} and --rounds at least 1: shorter measurements say nothing"
        raise SettingsError(msg)
    registry = BundleRegistry.of(settings.models)
    if options.bundle or settings.models.models:
        registry = registry.choosing(options.bundle or settings.models.models[0])
    bundle = registry.open(registry.candidates()[0])
    tuning = Tuning(bundle, options.rounds, options.seconds, with_processes=not options.no_processes)
    profile = tuning.measure(_report)
    try:
        path = write_profile(folder, profile)
    except OSError as error:
        msg = f"the profile cannot be written into {folder}: {error.strerror}; name another folder by --out"
        raise SettingsError(msg) from error
    print(profile.model_dump_json(indent=2) if options.json else "\n".join(_lines(profile, path)))
    return ExitCode.DONE


def _report(text: str) -> None:
    """Progress, on standard error: one line that is written over where a person looks."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{text:<70}", end=end, file=sys.stderr, flush=True)


tune_command = Command(
    "tune",
    "Measure which settings of the engine suit a bundle on this machine, and write them for the service.",
    _add_arguments,
    _tune,
)


def _lines(profile: "TuningProfile", path: Path) -> Iterator[str]:
    machine = profile.machine
    yield f"{profile.bundle} on {machine.cpu}, {machine.cores} cores, ONNX Runtime {machine.onnxruntime}"
    yield f"median of {profile.rounds} rounds in {profile.seconds:.0f} s; others used {profile.busy_cores:.1f} cores"
    yield f"{'settings':<58}{'films/s':>9}{'lowest':>9}{'highest':>9}{'ms':>9}"
    yield from (_row(each) for each in (*profile.figures, *profile.processes))
    for each in profile.untried:
        yield f"not tried: {each.provider} {each.precision}: {each.reason}"
    yield f"chosen: {profile.chosen.words}"
    yield f"written to {path}; the service uses it where CXR_TUNING_DIR names this folder"


def _row(each: "Measured") -> str:
    numbers = (each.films_per_s, each.lowest, each.highest, each.ms_per_film)
    return f"{each.choice.words:<58}" + "".join(f"{number:>9.1f}" for number in numbers)
