"""Rules of docs/airgap.md: the image, saved as a file and loaded again, is the same and answers without a network."""

import gzip
import json
import subprocess

import pytest

from tests.containers.engine import run
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(3600)

NAME = "cxr-archive-test"


@pytest.fixture
def archive(images, tmp_path):
    """cxr-api.tar.gz, saved under a name of its own, which this engine then forgets."""
    run("docker", "tag", "cxr-api", f"{NAME}:saved")
    saved = subprocess.run(["docker", "save", f"{NAME}:saved"], capture_output=True, check=True, timeout=600).stdout
    path = tmp_path / "cxr-api.tar.gz"
    path.write_bytes(gzip.compress(saved, 1))
    run("docker", "rmi", "--no-prune", f"{NAME}:saved")
    return path


def test_a_saved_image_is_loaded_under_its_name_and_serves_without_a_network(archive) -> None:
    before = run("docker", "image", "inspect", "cxr-api", "--format", "{{.Id}}").strip()
    loaded = run("docker", "load", "--input", str(archive))
    container = run(
        "docker", "run", "--detach", "--network", "none", "--env", "CXR_HOST=127.0.0.1", f"{NAME}:saved"
    ).strip()
    try:
        wait_until(
            lambda: json.loads(run("docker", "inspect", container))[0]["State"]["Health"]["Status"] == "healthy",
            "the container is healthy",
            timeout_s=120,
        )
    finally:
        run("docker", "rm", "--force", container)
        run("docker", "rmi", "--no-prune", f"{NAME}:saved")

    assert f"Loaded image: {NAME}:saved" in loaded
    assert run("docker", "image", "inspect", "cxr-api", "--format", "{{.Id}}").strip() == before
