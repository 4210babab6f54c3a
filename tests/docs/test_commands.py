"""Rules of the commands in the README and in docs/: they are run, or where that would take long, read as their
program reads them."""

import os
import re
import shlex
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
import structlog
import typer
import yaml

import export.__main__
import trainer.__main__
from imaging.phantom import phantom
from service.commands.every import COMMANDS
from service.dimse.counters import DimseMetrics
from service.metrics import Metrics
from service.settings import VARIABLES, VARIABLES_OF_OTHER_PROGRAMS
from service.sharing.counters import SharingMetrics
from service.worklist.counters import WorklistMetrics
from tests.docs.pages import PAGES, ROOT, blocks, commands, named
from tests.films import encode
from tests.imaging.files import dicom_bytes, dicom_dataset
from tests.service.bundles import CHILDREN, change_manifest, write_tiny_bundle
from tests.service.server import Server
from trainer.config import fields

ADDRESS = "http://127.0.0.1:8000"
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
OF_TESTS = {"CXR_VALIDATED_FILMS"}
OF_CONTAINERS = {
    name
    for path in (ROOT / "docker-compose.yml", ROOT / "deploy/trainer/entrypoint.sh", ROOT / "Makefile")
    for name in re.findall(r"CXR_[A-Z_]+[A-Z]", path.read_text())
}
OF_EARLIER_COMMITS = "The names of the options are those of the commits named here."
WITH_COMMANDS = [page for page in PAGES if commands(page)]
WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
EXECUTED = {
    "README.md",
    "docs/first-answer.md",
    "docs/requests-with-curl.md",
    "docs/python-client.md",
    "docs/security.md",
}


class Service:
    """A service that starts when the first line asks for it: half of the pages never do."""

    def __init__(self, models_dir, **settings) -> None:
        self._start = partial(Server, models_dir, **settings)
        self._server: Server | None = None

    def in_place_of_the_example(self, text: str) -> str:
        """The text with the address of this service where it has that of the pages."""
        return text.replace(ADDRESS, self.address) if ADDRESS in text else text

    @property
    def address(self) -> str:
        self._server = self._server or self._start()
        return self._server.address

    def end(self) -> None:
        if self._server is not None:
            self._server.end()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a reader has at hand: film.jpeg and film.dcm."""
    root = tmp_path_factory.mktemp("reader")
    (root / "film.jpeg").write_bytes(encode(phantom(90, 80, seed=3, opacity=0.8)))
    (root / "film.dcm").write_bytes(dicom_bytes(dicom_dataset(phantom(90, 80, seed=4), Modality="CR")))
    (root / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return root


@pytest.fixture
def reader(folder, tmp_path, monkeypatch, capsys):
    """The folder, a service of two bundles of children's films with keys, and a key with every scope."""
    for version in ("1.1.0", "1.0.0"):
        directory = write_tiny_bundle(tmp_path / "models", name="my-model", version=version)
        change_manifest(directory, population=CHILDREN.model_dump())
    scopes = [word for scope in ("predict", "dicom", "metrics", "admin") for word in ("--scope", scope)]
    COMMANDS["keys"](["add", "--name", "reader", *scopes, "--file", str(tmp_path / "keys.json")])
    key = capsys.readouterr().out.strip()
    (folder / "key").write_text(key)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CXR_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("KEY", key)
    monkeypatch.setenv("CURL_HOME", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    service = Service(tmp_path / "models", api_keys_file=tmp_path / "keys.json", allow_anonymous=True)
    yield service
    service.end()
    structlog.reset_defaults()


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=named)
def test_every_command_of_a_page_works(page, reader) -> None:
    for line in commands(page):
        words = [word for word in shlex.split(line) if not re.match("[A-Z_]+=", word)]
        program = "python" if words[0].endswith("/python") else words[0]

        assert program in PROGRAMS, f"{line}: say here how {program} is checked"
        assert not PROGRAMS[program](words, reader.in_place_of_the_example(line), reader), line


def test_the_pages_that_promise_it_have_commands() -> None:
    assert {named(page) for page in WITH_COMMANDS} >= EXECUTED
    assert sum(line.startswith("curl ") for page in WITH_COMMANDS for line in commands(page)) > 15


@pytest.mark.parametrize("page", WITH_PYTHON, ids=named)
def test_every_python_block_of_a_page_runs(page, reader, capsys) -> None:
    for block in blocks(page, "python"):
        exec(compile(reader.in_place_of_the_example(block), named(page), "exec"), {})

    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_setting_metric_and_target_that_a_page_names_exists(page) -> None:
    text = page.read_text()
    settings = set(VARIABLES) | VARIABLES_OF_OTHER_PROGRAMS | OF_CONTAINERS | OF_TESTS
    processes = (Metrics(), DimseMetrics(), WorklistMetrics())
    SharingMetrics(processes[0].registry)
    collected = [family for process in processes for family in process.registry.collect()]
    families = {family.name for family in collected}
    families |= {sample.name for family in collected for sample in family.samples}
    named_metrics = {name for name in re.findall(r"`(cxr_[a-z0-9_]+)(?=[`{])", text) if not name.endswith("_")}

    assert set(re.findall(r"\bCXR_[A-Z_]+[A-Z]\b", text)) <= settings
    assert named_metrics <= families | {f"{name}_total" for name in families}
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_set_of_a_page_names_a_field_of_the_configuration(page) -> None:
    text = page.read_text()
    known = {name for name, _ in fields()}
    if OF_EARLIER_COMMITS in text:  # fields had no section then
        known |= {name.partition(".")[2] for name in known}

    assert set(re.findall(r"--set '?([\w.]+)=", text)) - {"FIELD"} <= known


def curl(_words, line, _reader):
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode and (done.stdout or done.stderr)


def make(words, line, _reader):
    variables = set(re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.MULTILINE))
    given = {word.partition("=")[0] for word in shlex.split(line)[2:]}
    return {words[1]} - TARGETS or given - variables


def docker(words, _line, _reader):
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    profiles = {profile for service in compose["services"].values() for profile in service.get("profiles", [])}
    arguments = words[2:]
    if arguments[0] == "--profile":
        assert arguments[1] in profiles
        arguments = arguments[2:]
    if arguments[0] == "up":
        named_services = {word.partition("=")[0] for word in arguments[1:] if not word.startswith("-")}
        return named_services - compose["services"].keys()
    assert arguments[:3] == ["run", "--rm", "trainer"]  # deploy/trainer/entrypoint.sh makes up --out
    return typer_command(trainer.__main__.app, [*arguments[3:], "--out", "/runs/x"])


def python(words, line, reader):
    if words[1] == "-c":
        return subprocess.run([sys.executable, *words[1:]], env=os.environ, check=False, timeout=60).returncode
    module = words[2]
    arguments = words[3:]
    if module in {"trainer", "export"}:
        return typer_command({"trainer": trainer.__main__.app, "export": export.__main__.app}[module], arguments)
    assert module == "service", line
    if arguments[0] == "client" and "--url" not in arguments:
        arguments.extend(["--url", reader.address])
    return COMMANDS[arguments[0]]([reader.in_place_of_the_example(word) for word in arguments[1:]])


def typer_command(app, arguments) -> None:
    """Read the arguments as the program would, without doing anything."""
    group: Any = typer.main.get_command(app)  # click's Group, which typer vendors
    with group.make_context("python", list(arguments)) as context:
        _, command, rest = group.resolve_command(context, list(arguments))
        with command.make_context(command.name, rest, parent=context):
            return


PROGRAMS = {"curl": curl, "make": make, "docker": docker, "python": python}
