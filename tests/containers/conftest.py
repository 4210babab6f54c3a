"""Both images are built once, and one stack serves all tests of this folder; `make docker-test` runs them."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.containers.engine import Stack, run
from tests.films import write_kermany
from tests.pacs.orthanc import free_port

IMAGES = {"cxr-api": "Dockerfile.api", "cxr-trainer": "Dockerfile.train", "cxr-debian": "deploy/debian/Dockerfile"}


@pytest.fixture(scope="session", autouse=True)
def images() -> None:
    if not os.environ.get("CXR_DOCKER_TEST"):
        pytest.skip("containers are built and started by make docker-test")
    if subprocess.run(("docker", "info"), capture_output=True, check=False).returncode:
        pytest.fail("no Docker engine answers: start one, or set DOCKER_HOST")
    for image, file in IMAGES.items():
        run("docker", "build", "-q", "--build-arg", "BASE_IMAGE", "-f", file, "-t", image, ".", timeout=3600)


@pytest.fixture(scope="session")
def stack(images, tmp_path_factory) -> Iterator[Stack]:
    """The stack, started: one service with the bundle that ships, and Prometheus."""
    films = write_kermany(tmp_path_factory.mktemp("films"), patients=40)
    films.chmod(0o755)
    films.parent.chmod(0o755)
    settings = {
        "CXR_DATA_DIR": str(films),
        "CXR_PORT": str(free_port()),
        "PROMETHEUS_PORT": str(free_port()),
        "CXR_MAX_BATCH_ITEMS": "3",
    }
    stack = Stack("cxr-test", settings)
    stack.compose("up", "-d", "api", "prometheus")
    yield stack
    stack.compose("down", "--volumes", "--timeout", "30")
