"""The commands of docs/stores.md, in their order, against a real registry and a real object store."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.bundle.stores.real_stores import DockerRegistry, Moto
from tests.docs.pages import ROOT, commands
from tests.service.bundles import make_current, write_tiny_bundle

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="no docker-registry: apt-get install it"),
]

PAGE = ROOT / "docs" / "stores.md"
HOSTS = ("registry.example.org", "registry.hospital:5000")


@pytest.mark.scale("21.3 registry", "docs/stores.md, followed: pushed, pulled, and mirrored under the same digest")
def test_the_page_is_followed(tmp_path) -> None:
    write_tiny_bundle(tmp_path / "models", name="chest-xray-adult")
    write_tiny_bundle(tmp_path / "models", name="chest-xray-pneumonia", version="3.0.0")
    make_current(tmp_path / "models", "chest-xray-pneumonia/3.0.0")
    moto = Moto(tmp_path)
    registries = {host: DockerRegistry(tmp_path / host[:12]) for host in HOSTS}
    for store in (moto, *registries.values()):
        store.start()
    environment = os.environ | moto.variables() | {"PYTHONPATH": str(ROOT), "DOCKER_CONFIG": str(tmp_path)}
    moto.request("PUT", "/hospital-models")
    printed: list[tuple[str, str]] = []
    try:
        for line in commands(PAGE):
            text = line
            for host, registry in registries.items():
                text = text.replace(host, registry.host)
            words = [sys.executable, *shlex.split(text)[1:], *([] if "--allow-http" in text else ["--allow-http"])]
            done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

            assert done.returncode == 0, f"{line}: {done.stderr}"
            printed.append((line, done.stdout))
    finally:
        for store in (moto, *registries.values()):
            store.close()
    sets = [output for line, output in printed if "bundles:stable --source" in line]
    digests = [re.findall(r"@(sha256:[0-9a-f]{64})", output) for output in sets]

    assert len(printed) == 6
    assert len(digests) == 2
    assert digests[0] == digests[1] != []
    assert (tmp_path / "carried" / "current").read_text() == "chest-xray-pneumonia/3.0.0\n"
