"""Rules of the version of this software: wherever somebody asks which one answered, it is named."""

import json
import re
import subprocess
import sys

import pytest

from schemas.version import VERSION
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import flat_film
from tests.service.server import ROOT

pytestmark = pytest.mark.anyio


def test_it_is_a_semantic_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_description_of_the_interface_states_it() -> None:
    assert create_app(Settings()).api.openapi()["info"]["version"] == VERSION


async def test_the_list_of_bundles_states_it(client) -> None:
    assert (await client.get("/models")).json()["software_version"] == VERSION


async def test_the_metrics_state_it(client) -> None:
    assert f'cxr_build_info{{version="{VERSION}"}} 1.0' in (await client.get("/metrics")).text


async def test_every_record_of_the_audit_log_states_it(serve, tmp_path) -> None:
    log = tmp_path / "audit.jsonl"
    async with serve(audit_file=log) as client:
        await client.post("/predict", content=flat_film(200), headers={"Content-Type": "image/png"})

    assert [json.loads(line)["software"] for line in log.read_text().splitlines()] == [VERSION] * 3


@pytest.mark.process
def test_the_command_line_prints_it() -> None:
    line = [sys.executable, "-m", "service", "--version"]
    printed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert printed == f"cxr-classifier {VERSION}\n"
