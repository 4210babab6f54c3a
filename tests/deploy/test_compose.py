"""docker-compose.yml passes on what an operator may choose."""

import yaml

from service.settings import VARIABLES
from tests.deploy.expressions import ROOT

FIXED = {"CXR_MODELS_DIR", "CXR_HOST", "CXR_PORT"}
"""Paths and addresses inside of the container."""


def test_every_setting_of_the_service_can_be_given_from_outside() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    names = VARIABLES.keys() - FIXED

    assert services["api-gpu"]["environment"].keys() == names
    assert services["api"]["environment"].keys() == names - {"CXR_PROVIDER"}  # its image has no CUDA
