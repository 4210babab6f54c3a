"""The environments of the peers: locked, and alike where the films are decoded and the network is run."""

import re

import pytest

from benchmarks.peers.environments import PROFILER, REQUIREMENTS, constraints, lock_of
from benchmarks.peers.peers import PEERS

LOCKS = sorted({PROFILER, *(peer.lock for peer in PEERS.values())} - {"cpu"})


def versions(text):
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ \\\n]+)", text, re.MULTILINE))


def test_each_list_has_a_lock_and_each_lock_a_list() -> None:
    assert {path.stem for path in REQUIREMENTS.glob("*.txt")} == set(LOCKS)
    assert {path.stem for path in REQUIREMENTS.glob("*.in")} == {"shared", *LOCKS}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_with_hashes_names_no_index_and_brings_no_torch(name) -> None:
    lines = lock_of(name).read_text().splitlines()
    packages = [line for line in lines if not line.startswith(" ")]

    assert packages
    assert all(re.fullmatch(r"[a-z0-9._-]+==[^ ]+( ; .+)? \\", line) for line in packages)
    assert all(line in packages or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines)
    assert not {"torch", "tensorflow", "jax"} & versions("\n".join(lines)).keys()


@pytest.mark.parametrize("name", sorted(set(LOCKS) - {PROFILER}))
def test_every_peer_computes_with_the_versions_of_the_service(name) -> None:
    shared = versions(constraints())
    locked = versions(lock_of(name).read_text())

    assert shared.keys() == {"numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic", "pydicom"}
    assert {package: locked.get(package) for package in shared} == shared, "run `make lock`"
