"""The locks as values: what each environment installs on a platform."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENTS = {
    "cpu": ("cpu", "otel", "stores"),
    "gpu": ("gpu", "otel", "stores"),
    "train": ("cpu", "train", "stores", "ray"),
    "dev": ("cpu", "train", "mlflow", "otel", "stores", "ray", "dev"),
}
"""The extras that each environment holds."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True)
class Platform:
    """A kind of machine, as markers and as the resolver name it."""

    name: str
    sys_platform: str
    machine: str

    def markers(self, python: str) -> dict[str, str]:
        """The environment that markers are evaluated in."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": {"linux": "Linux", "darwin": "Darwin"}[self.sys_platform],
            "platform_version": "",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": self.sys_platform,
        }


PLATFORMS = {
    "x86_64 Linux": Platform("x86_64-manylinux_2_28", "linux", "x86_64"),
    "arm64 Linux": Platform("aarch64-manylinux_2_28", "linux", "aarch64"),
    "arm64 macOS": Platform("aarch64-apple-darwin", "darwin", "arm64"),
}


@dataclass(frozen=True)
class Pin:
    """One locked package."""

    requirement: Requirement
    hashes: frozenset[str]

    @property
    def version(self) -> str:
        (specifier,) = self.requirement.specifier
        return specifier.version

    def applies(self, markers: dict[str, str]) -> bool:
        return self.requirement.marker is None or self.requirement.marker.evaluate(markers)


def lock_of(environment: str) -> Path:
    return ROOT / f"requirements/{environment}.txt"


@cache
def pins(environment: str) -> tuple[Pin, ...]:
    entries = lock_of(environment).read_text().replace("\\\n", " ").splitlines()
    return tuple(
        Pin(Requirement(entry.partition("--hash")[0]), frozenset(re.findall(r"--hash=sha256:(\S+)", entry)))
        for entry in entries
    )


def installed(environment: str, platform: Platform, python: str) -> dict[str, Pin]:
    """What is installed there, by name."""
    markers = platform.markers(python)
    return {pin.requirement.name: pin for pin in pins(environment) if pin.applies(markers)}
