"""One resolution serves every machine: what the lock files say, without asking anybody."""

import re
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.requirements.locks import ENVIRONMENTS, PLATFORMS, PYTHONS, ROOT, installed, lock_of, pins

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EVERYWHERE = [
    pytest.param(environment, platform, python, id=f"{environment}, {name}, {python}")
    for environment in ENVIRONMENTS
    for name, platform in PLATFORMS.items()
    for python in PYTHONS
    if environment != "gpu" or platform.sys_platform == "linux"
]


def test_there_is_a_lock_for_each_environment_and_no_other() -> None:
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == ENVIRONMENTS.keys()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(environment) -> None:
    lines = lock_of(environment).read_text().splitlines()
    packages = [line for line in lines if not line.startswith(" ")]

    assert packages
    assert all(re.fullmatch(r"[a-z0-9._-]+==[a-z0-9.+!]+( ; .+)? \\", line) for line in packages)
    assert all(line in packages or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines)
    assert all(pin.hashes for pin in pins(environment))
    assert not [line for line in lines if "://" in line or "index" in line]


@pytest.mark.parametrize(("environment", "platform", "python"), EVERYWHERE)
def test_what_is_declared_is_locked_within_its_bounds(environment, platform, python) -> None:
    locked = installed(environment, platform, python)
    extras = PROJECT["optional-dependencies"]
    markers = platform.markers(python)
    for line in PROJECT["dependencies"] + [line for extra in ENVIRONMENTS[environment] for line in extras[extra]]:
        declared = Requirement(line)
        if declared.marker is None or declared.marker.evaluate(markers):
            assert declared.specifier.contains(locked[canonicalize_name(declared.name)].version), line


@pytest.mark.parametrize(("environment", "platform", "python"), EVERYWHERE)
def test_no_package_is_pinned_twice_for_a_machine(environment, platform, python) -> None:
    markers = platform.markers(python)
    names = [pin.requirement.name for pin in pins(environment) if pin.applies(markers)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_notice_names_every_package_under_the_lgpl(environment) -> None:
    named = (ROOT / "NOTICE").read_text().lower()
    lesser: set[str] = set()
    for name in {pin.requirement.name for pin in pins(environment)}:
        with suppress(PackageNotFoundError):  # of another platform
            described = metadata(name)
            fields = ("License-Expression", "License", "Classifier")
            terms = [term for field in fields for term in described.get_all(field, [])]
            if re.search("LGPL|Lesser General Public", " ".join(terms)):
                lesser.add(name)

    assert "pebble" in lesser
    assert {name for name in lesser if name not in named} == set()


def test_every_environment_has_the_versions_of_the_one_resolution() -> None:
    """CUDA's libraries in the GPU service are those for ONNX Runtime; PyTorch's are pinned by PyTorch."""
    chosen = {pin.requirement.name: pin for pin in pins("dev")}
    assert all(pin.requirement.name in chosen for environment in ("cpu", "train") for pin in pins(environment))

    for environment in ("cpu", "gpu", "train"):
        for pin in pins(environment):
            name = pin.requirement.name
            if name in chosen and not (environment == "gpu" and name.startswith("nvidia-")):
                assert (pin.version, pin.hashes) == (chosen[name].version, chosen[name].hashes), name


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_each_machine_gets_the_runtime_that_it_can_use(platform, python) -> None:
    linux = platform.sys_platform == "linux"

    assert "onnxruntime" in installed("cpu", platform, python)
    assert "onnxruntime-gpu" not in installed("cpu", platform, python)
    assert ("onnxruntime-gpu" in installed("gpu", platform, python)) is linux
    assert "torch" in installed("dev", platform, python)
    assert any(name.startswith("nvidia-") for name in installed("dev", platform, python)) is linux
    assert ("pyjpegls" in installed("cpu", platform, python)) is (python != "3.14")  # which has no wheel of it


@pytest.mark.parametrize("environment", ["cpu", "gpu"])
def test_the_lock_of_the_service_holds_no_torch(environment) -> None:
    names = {pin.requirement.name for pin in pins(environment)}

    assert "fastapi" in names
    assert not {"torch", "torchvision", "timm", "onnx", "lightning-fabric", "albumentations"} & names
