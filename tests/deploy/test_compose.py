"""docker-compose.yml passes on what an operator may choose."""

import yaml

from service.settings import PREFIX, Settings
from tests.deploy.expressions import ROOT

FIXED = {"models_dir", "host", "port"}
"""Paths and addresses inside of the container."""


def test_every_setting_of_the_service_can_be_given_from_outside() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    names = {PREFIX + name.upper() for name in Settings.model_fields if name not in FIXED}

    assert services["api-gpu"]["environment"].keys() == names
    assert services["api"]["environment"].keys() == names - {"CXR_PROVIDER"}  # its image has no CUDA
