"""Rules of the units of systemd: systemd itself reads them without a complaint, and rates how closed they are."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.settings.environment import SECTIONS, VARIABLES
from tests.deploy.expressions import ROOT

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"),
]

UNITS = ("cxr.service", "cxr-dimse.service")
MOST_EXPOSED = 2.0
"""Of 10; systemd calls a service OK from 4 downwards. docs/systemd.md names it."""


@pytest.fixture
def folder(tmp_path):
    """The units with a program that exists here: systemd looks for it."""
    for unit in UNITS:
        text = (ROOT / "deploy/systemd" / unit).read_text()
        (tmp_path / unit).write_text(text.replace("/opt/cxr/.venv-cpu/bin/python", "/bin/true"))
    return tmp_path


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_reads_each_unit_without_a_complaint(folder, unit) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", folder / unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert unit not in done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_each_unit_is_closed_as_far_as_its_page_states(folder, unit) -> None:
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--json=short",
            f"--threshold={MOST_EXPOSED * 10:.0f}",
            folder / unit,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, [row for row in json.loads(done.stdout) if row.get("set") is False]
    assert f"below {MOST_EXPOSED}" in (ROOT / "docs/systemd.md").read_text()


@pytest.mark.parametrize("unit", UNITS)
def test_what_a_unit_starts_and_writes_is_where_the_pages_say(unit) -> None:
    text = (ROOT / "deploy/systemd" / unit).read_text()

    assert re.search(r"^ExecStart=/opt/cxr/\.venv-cpu/bin/python -m service( dimse)?$", text, re.MULTILINE)
    assert "EnvironmentFile=-/etc/cxr/cxr.env" in text
    assert "Type=notify" in text


def test_whatever_the_service_writes_below_its_folder_by_default_the_unit_puts_where_it_may_write() -> None:
    text = (ROOT / "deploy/systemd/cxr.service").read_text()
    defaults = {name: SECTIONS[section].model_fields[field].default for name, (section, field) in VARIABLES.items()}
    kept = {name for name, default in defaults.items() if isinstance(default, Path) or name == "CXR_SPOOL_URL"}

    assert kept >= {"CXR_MODELS_DIR", "CXR_JOBS_FOLDER"}
    assert kept <= set(re.findall(r"^Environment=(\w+)=(?:sqlite:///)?/var/lib/cxr/", text, re.MULTILINE))
