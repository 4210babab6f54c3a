"""The resolver finds a wheel of every locked package for every machine, and installs nothing. It needs a network."""

import os
import subprocess
import sys

import pytest

from tests.requirements.locks import ENVIRONMENTS, PLATFORMS, PYTHONS, ROOT, lock_of

pytestmark = pytest.mark.process

BUILT_HERE = {"grad-cam"}
"""Released as source alone, of pure Python: any machine makes its wheel."""
OLDEST_MACOS = "14.0"
GLIBC_OF_CUDA = {"x86_64-manylinux_2_28": "x86_64-manylinux_2_28", "aarch64-manylinux_2_28": "aarch64-manylinux_2_34"}
NO_ANSWER = (
    "error sending request",
    "Failed to fetch",
    "dns error",
    "Could not connect",
    "the network is disabled",
    "network was disabled",
)


def uv(*command, stdin=None):
    try:
        done = subprocess.run(
            (sys.executable, "-m", "uv", *command),
            cwd=ROOT,
            env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": OLDEST_MACOS},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer in time")
    if done.returncode and any(words in done.stderr for words in NO_ANSWER):
        pytest.skip(f"the package index does not answer: {done.stderr[-200:]}")
    return done


def without_those_built_here(lock):
    entries = lock.read_text().replace("\\\n", " ").splitlines()
    return "\n".join(entry for entry in entries if entry.partition("==")[0] not in BUILT_HERE)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
@pytest.mark.parametrize("environment", ["dev", "gpu"])  # dev holds cpu and train: test_locks.py
def test_every_package_of_an_environment_has_a_wheel(environment, platform, python, tmp_path) -> None:
    if environment == "gpu" and platform.sys_platform != "linux":
        pytest.skip("CUDA needs Linux")
    tags = GLIBC_OF_CUDA[platform.name] if environment == "gpu" else platform.name
    lock = tmp_path / "lock.txt"
    lock.write_text(without_those_built_here(lock_of(environment)))

    machine = ("--python-version", python, "--python-platform", tags)
    found = uv("pip", "install", "--dry-run", "--target", tmp_path / "none", *machine,
               "--no-build", "--no-deps", "--require-hashes", "-r", lock)  # fmt: skip

    assert found.returncode == 0, found.stderr[-1000:]


@pytest.mark.long
def test_resolving_again_changes_no_lock(tmp_path) -> None:
    """`make lock` was run after the last change of pyproject.toml."""
    for environment, extras in ENVIRONMENTS.items():
        again = tmp_path / f"{environment}.txt"
        again.write_text(lock_of(environment).read_text())
        options = [part for extra in extras for part in ("--extra", extra)]
        resolved = uv(
            "pip",
            "compile",
            "pyproject.toml",
            "--quiet",
            "--universal",
            "--python-version",
            "3.11",
            "--generate-hashes",
            "--no-emit-index-url",
            "--no-header",
            "--no-annotate",
            *options,
            "-o",
            again,
        )

        assert resolved.returncode == 0, resolved.stderr[-1000:]
        assert again.read_text() == lock_of(environment).read_text(), f"{environment}: run make lock"
