"""Rules of `python -m service keys`, run as a user does, beside a running service."""

import json
import stat
import subprocess
import sys

import pytest

from service.security.keys import parse_keys
from tests.service.conftest import flat_film
from tests.service.server import ROOT, Server

pytestmark = pytest.mark.process


@pytest.fixture
def run(tmp_path):
    def command(*arguments):
        line = [sys.executable, "-m", "service", "keys", *arguments, "--file", str(tmp_path / "keys.json")]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)

    return command


def test_a_key_is_made_used_listed_and_revoked_beside_a_running_service(run, tmp_path, tiny_models) -> None:
    key = run("add", "--name", "ris", "--scope", "predict").stdout.strip()
    server = Server(tiny_models, api_keys_file=tmp_path / "keys.json")
    try:

        def status():
            headers = {"Content-Type": "image/png", "X-API-Key": key}
            return server.client.post("/predict", content=flat_film(200), headers=headers).status_code

        first = status()
        listed = run("list").stdout
        run("revoke", key.split("_")[1])
        after = status()
    finally:
        server.end()

    assert (first, after) == (200, 401)
    assert listed.startswith(f"{key.split('_')[1]}  ris: predict, for ever")
    assert key not in listed
    assert not any(key in line for line in server.lines)


def test_the_file_holds_no_key_and_only_its_owner_reads_it(run, tmp_path) -> None:
    made = run(
        "add", "--name", "pacs", "--scope", "dicom", "--scope", "predict", "--films-per-minute", "60", "--days", "30"
    )
    path = tmp_path / "keys.json"
    entry = parse_keys(path.read_bytes()).keys[0]

    assert made.stdout.strip().rsplit("_", 1)[1] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (entry.name, entry.scopes, entry.films_per_minute) == ("pacs", ("dicom", "predict"), 60)
    assert (entry.expires_at - entry.created_at).days in (29, 30)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("revoke", "0123456789ab"), "no key has the id 0123456789ab"),
        (("add", "--name", "x", "--scope", "predict", "--days", "0"), "--days 0 is under 1"),
        (("add", "--name", "x", "--scope", "everything"), "invalid choice: 'everything'"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(run, tmp_path, arguments, reason) -> None:
    run("add", "--name", "ris", "--scope", "predict")
    before = (tmp_path / "keys.json").read_bytes()

    refused = run(*arguments)

    assert refused.returncode == 2
    assert reason in refused.stderr
    assert (tmp_path / "keys.json").read_bytes() == before


def test_a_file_in_a_folder_that_is_not_there_is_refused_and_no_key_is_told(run, tmp_path) -> None:
    tmp_path.rmdir()
    refused = run("add", "--name", "ris", "--scope", "predict")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert "keys.json cannot be written (No such file or directory)" in refused.stderr


def test_a_file_that_does_not_exist_or_was_broken_is_named(run, tmp_path) -> None:
    missing = run("list")
    (tmp_path / "keys.json").write_text(json.dumps({"format": 1, "keys": "none"}))
    broken = run("add", "--name", "ris", "--scope", "predict")

    assert (missing.returncode, broken.returncode) == (2, 2)
    assert "keys.json cannot be read (No such file or directory)" in missing.stderr
    assert "not valid at keys" in broken.stderr
