"""What a service loads that has everything switched off: modules, not times, which depend on the machine."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

HEAVY = {
    "_gdcm": "compressed frames, which other processes decode",
    "cryptography": "signatures",
    "highdicom": "results as DICOM objects",
    "httpx2": "calls of other systems",
    "jwt": "bearer tokens",
    "pydantic.v1.main": "models of Pydantic 1",
    "pydicom.sr": "results as DICOM objects",
    "pynetdicom": "the DICOM network",
    "reportlab": "acceptance reports",
    "requests": "downloads of pydicom's test files",
    "smtplib": "destinations by e-mail",
    "sqlalchemy": "the spool",
    "yaml": "the file of destinations",
    "opentelemetry.sdk": "traces",
    "obstore": "bundles of object stores",
    "torch": "heat maps of bundles without any in their graph",
    "service.commands.every": "the commands",
    "service.onlookers": "the way to most of these",
}
"""By module, what needs it: none of it is on by default, or none of it in this process."""

LOADED = """
import json, sys
import service.__main__
from service.films.lean_imports import import_fastapi, import_pydicom
import_pydicom()
import service.serve
import_fastapi()
from service.app import create_app
from service.settings import load_settings
create_app(load_settings()).api.openapi()
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    ran = subprocess.run(
        [sys.executable, "-c", LOADED],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "", "PYTHONPATH": ".", "CXR_MODELS_DIR": str(tmp_path_factory.mktemp("models"))},
    )
    return set(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", HEAVY)
def test_what_is_switched_off_is_not_loaded(loaded, module) -> None:
    assert module not in loaded


def test_dicomweb_loads_what_it_needs() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import sys, service.onlookers; print('highdicom' in sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert ran.stdout == "True\n"
