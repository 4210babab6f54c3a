"""The profiles that `python -m service tune` writes: which one fits a bundle on this machine, and what it changes."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog
from pydantic import ValidationError

from bundle.files import write_whole
from bundle.machine import this_machine
from bundle.opening import Bundle
from bundle.reading import read_regular
from schemas.engine.tuning import Machine, TuningProfile
from schemas.model.precision import Precision
from service.settings import EngineSettings

LARGEST_PROFILE: Final = 4 * 1024**2

log = structlog.get_logger("service.engine.tuned")


def profile_path(folder: Path, bundle_sha256: str, machine: Machine) -> Path:
    """The file of a bundle on a machine: another bundle or machine has another, so none overwrites another's."""
    identity = sha256(machine.model_dump_json().encode()).hexdigest()
    return folder / f"{bundle_sha256[:16]}-{identity[:16]}.json"


def write_profile(folder: Path, profile: TuningProfile) -> Path:
    """Write a profile, whole or not at all; returns its file.

    Raises:
        OSError: it cannot be written.
    """
    path = profile_path(folder, profile.bundle_sha256, profile.machine)
    write_whole(path, (profile.model_dump_json(indent=2) + "\n").encode())
    return path


def profile_of(bundle: Bundle, settings: EngineSettings) -> TuningProfile | None:
    """The profile of a bundle on this machine; None where there is none that fits, which the log explains."""
    folder = settings.tuning_dir
    if folder is None:
        return None
    machine = this_machine()
    path = profile_path(folder, bundle.sha256, machine)
    name = f"{bundle.manifest.name}/{bundle.manifest.version}"
    if not path.is_file():
        log.warning("tuning_ignored", bundle=name, reason=_why_none(folder, bundle, machine))
        return None
    profile = _read(path)
    reason = "its file cannot be read" if profile is None else _misfit(profile, bundle, machine)
    if reason is not None:
        log.warning("tuning_ignored", bundle=name, reason=f"{reason}; run `python -m service tune` again")
        return None
    return profile


def tuned(settings: EngineSettings, profile: TuningProfile | None, offered: Sequence[Precision]) -> EngineSettings:
    """The settings with what was measured for those that nobody has set.

    Args:
        settings: of the bundle; what is set explicitly stays.
        profile: of the bundle on this machine; None: there is none.
        offered: the precisions that the bundle has a graph of.

    Returns:
        The choice of the profile, or where it contradicts what is set, the fastest measured one that does not; the
        settings as they are where each contradicts it.
    """
    if profile is None:
        return settings
    fixed = {name: getattr(settings, name) for name in settings.model_fields_set}
    figures = sorted((*profile.figures, *profile.processes), key=lambda each: each.films_per_s, reverse=True)
    for choice in (profile.chosen, *(each.choice for each in figures)):
        numbers = choice.model_dump()
        if choice.precision in offered and all(fixed.get(name, value) == value for name, value in numbers.items()):
            return settings.model_copy(update=numbers)
    return settings


def _read(path: Path) -> TuningProfile | None:
    try:
        return TuningProfile.model_validate_json(read_regular(path, LARGEST_PROFILE))
    except (OSError, ValidationError):
        return None


def _misfit(profile: TuningProfile, bundle: Bundle, machine: Machine) -> str | None:
    if profile.bundle_sha256 != bundle.sha256:
        return "the profile is of another bundle"
    if profile.machine != machine:
        return _difference(profile.machine, machine)
    if profile.chosen.precision not in bundle.manifest.offered:
        return f"the bundle has no {profile.chosen.precision} graph that passed the gates of its export"
    return None


def _why_none(folder: Path, bundle: Bundle, machine: Machine) -> str:
    """Of the profiles that are there, what the nearest one does not fit."""
    named = [_read(path) for path in sorted(folder.glob(f"{bundle.sha256[:16]}-*.json"))]
    of_bundle = [each for each in named if each is not None and each.bundle_sha256 == bundle.sha256]
    if any(profile.machine == machine for profile in of_bundle):
        name = profile_path(folder, bundle.sha256, machine).name
        return f"the profile of this bundle and machine has another file name; rename it to {name}"
    if of_bundle:
        return f"{_difference(of_bundle[-1].machine, machine)}; run `python -m service tune` here"
    if any(folder.glob("*.json")):
        return "the profiles of CXR_TUNING_DIR are of other bundles; run `python -m service tune`"
    return "CXR_TUNING_DIR has no profile; run `python -m service tune`"


def _difference(of_profile: Machine, here: Machine) -> str:
    """What differs between two machines that are not the same."""
    there = of_profile.model_dump()
    name, value = next((name, value) for name, value in here.model_dump().items() if value != there[name])
    return f"the profile is of another machine: {name} {there[name]} there, {value} here"
