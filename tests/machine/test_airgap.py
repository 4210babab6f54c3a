"""Rules of docs/airgap.md: wheels that were carried there install the service on a machine without a network."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.machine.machine import Machine, reason_for_none
from tests.machine.pages import script

pytestmark = [
    pytest.mark.slow,
    pytest.mark.process,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("CXR_DOCKER_TEST"), reason="make docker-test downloads 150 MB for this"),
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cxr.tar.gz, as the page packs it; the environment that `make wheelhouse` asks for is that of the tests."""
    checkout = tmp_path_factory.mktemp("outside") / "checkout"
    shutil.copytree(
        ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".venv*", ".corpora", "wheelhouse", ".*_cache")
    )
    (checkout / ".venv-cpu").symlink_to(ROOT / ".venv-dev")
    (block,) = re.findall(r"<!-- outside -->\n\n((?:    .*\n)+)", (ROOT / "docs/airgap.md").read_text())
    commands = re.sub(r"^    ", "", block, flags=re.MULTILINE).replace(
        "make wheelhouse", "make -o .venv-cpu/ready wheelhouse"
    )
    subprocess.run(["bash", "-euc", commands], cwd=checkout, check=True, timeout=900)
    return checkout.parent / "cxr.tar.gz"


@pytest.fixture
def bare_machine(tmp_path: Path) -> Iterator[Machine]:
    if reason := reason_for_none():
        pytest.skip(reason)
    (tmp_path / "nothing").mkdir()
    started = Machine(tmp_path, checkout=tmp_path / "nothing")
    yield started
    started.end()


def test_the_service_is_installed_from_wheels_and_runs(archive, bare_machine) -> None:
    bare_machine.run("umount /opt/cxr/.venv-cpu/lib && rm -rf /opt/cxr/.venv-cpu /opt/cxr/* && mkdir -p /srv/medium")
    bare_machine.put("/srv/medium/cxr.tar.gz", archive.read_bytes())
    commands = script("airgap.md", "With wheels")
    bare_machine.run(f"cd /srv/medium && PYTHON=/usr/bin/python3\n{commands}", timeout_s=900)
    bare_machine.run(script("systemd.md", "Install"))

    assert bare_machine.run("curl --silent http://127.0.0.1:8000/readyz").stdout == '{"status":"ready"}'
    assert bare_machine.run("ip route show table main").stdout == ""  # no way leads out of this machine


def test_a_wheel_that_was_altered_on_its_way_is_refused(archive, bare_machine) -> None:
    bare_machine.run("umount /opt/cxr/.venv-cpu/lib && rm -rf /opt/cxr/.venv-cpu /opt/cxr/* && mkdir -p /srv/medium")
    bare_machine.put("/srv/medium/cxr.tar.gz", archive.read_bytes())
    unpack, install = script("airgap.md", "With wheels").split("sudo PIP_NO_INDEX")
    bare_machine.run(f'cd /srv/medium\n{unpack}\necho more >>"$(ls /opt/cxr/wheelhouse/uvicorn*)"')
    done = bare_machine.run(f"sudo PIP_NO_INDEX{install}", check=False, timeout_s=900)

    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
