"""Rules of `python -m service predict` and `python -m service client`, run as a user does."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import structlog

from service.commands.every import COMMANDS
from tests.imaging.compressed import compressed_film
from tests.imaging.files import dicom_bytes, dicom_dataset
from tests.service.bundles import change_manifest, write_tiny_bundle
from tests.service.conftest import flat_film
from tests.service.populations import BOTH, write_both
from tests.service.server import ROOT, Server


@pytest.fixture(scope="module")
def server(tiny_models):
    running = Server(tiny_models)
    yield running
    running.end()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder of a PNG, a DICOM film, a compressed one, and something else."""
    folder = tmp_path_factory.mktemp("films")
    pixels = np.full((40, 32), 200, np.uint8)
    (folder / "film.png").write_bytes(flat_film(200))
    (folder / "film.dcm").write_bytes(dicom_bytes(dicom_dataset(pixels, Modality="CR")))
    (folder / "compressed.dcm").write_bytes(compressed_film(pixels, "1.2.840.10008.1.2.4.70"))
    (folder / "notes.txt").write_bytes(b"no film")
    return folder


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(films, tiny_models, monkeypatch, capsys):
    """Any command, in the folder of the films, without a terminal."""
    monkeypatch.chdir(films)
    monkeypatch.setenv("CXR_MODELS_DIR", str(tiny_models))

    def run(name, *arguments):
        try:
            status = COMMANDS[name]([str(argument) for argument in arguments])
        except SystemExit as refusal:  # argparse's
            status = int(refusal.code or 0)
        printed = capsys.readouterr()
        return Done(status, printed.out, printed.err)

    yield run
    structlog.reset_defaults()


@pytest.fixture(params=["predict", "client"])
def run(request, command, server):
    """Each of the two commands."""
    address = ["--url", server.address] if request.param == "client" else []
    return partial(command, request.param, *address)


def test_each_film_is_a_line_of_json_with_the_services_answer(run) -> None:
    done = run("film.png", "film.dcm", "compressed.dcm")
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert [line["file"] for line in lines] == ["film.png", "film.dcm", "compressed.dcm"]
    assert {line["prediction"]["label"] for line in lines} == {"PNEUMONIA"}
    assert {line["model"]["name"] for line in lines} == {"tiny"}
    assert [line["image"]["format"] for line in lines] == ["png", "dicom", "dicom"]
    assert "Research use only" in done.stderr


def test_a_film_without_an_answer_costs_no_other_and_makes_the_status_1(run) -> None:
    done = run("notes.txt", "missing.png", "film.png")
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())

    assert done.returncode == 1
    assert first["failure"]["code"] == "unsupported_image"
    assert second["failure"] == {"code": "unreadable", "detail": "the file cannot be read (No such file or directory)"}
    assert third["prediction"]["label"] == "PNEUMONIA"
    assert "2 of 3 films have no answer" in done.stderr


def test_a_table_has_a_row_for_each_film(run) -> None:
    done = run("film.png", "notes.txt", "--format", "table")
    head, film, failed = done.stdout.splitlines()

    assert head.split() == ["film", "label", "probability", "decision", "confidence"]
    assert film.split()[:2] == ["film.png", "PNEUMONIA"]
    assert failed.startswith("notes.txt  unsupported_image: ")


def test_a_table_has_a_line_for_each_positive_finding_and_one_where_there_is_none(
    command, tmp_path, monkeypatch
) -> None:
    write_tiny_bundle(tmp_path / "models", alone=True)
    monkeypatch.setenv("CXR_MODELS_DIR", str(tmp_path / "models"))
    for name, gray in {"both.png": 217, "none.png": 102, "open.png": 128}.items():
        (tmp_path / name).write_bytes(flat_film(gray))
    films = [tmp_path / name for name in ("both.png", "none.png", "open.png")]
    table = command("predict", *films, "--format", "table").stdout.splitlines()
    lines = [json.loads(line) for line in command("predict", *films).stdout.splitlines()]

    assert [row.split()[-4:] for row in table[1:]] == [
        ["Effusion", "0.999", "positive", "high"],
        ["Cardiomegaly", "0.953", "positive", "high"],
        ["finding", "0.119", "negative", "medium"],
        ["Effusion", "0.508", "abstain", "low"],
    ]
    assert [row.startswith(" ") for row in table[1:]] == [False, True, False, False]
    assert [finding["decision"] for finding in lines[0]["prediction"]["findings"]] == [
        "positive",
        "positive",
        "negative",
    ]


def test_overlays_are_written_beside_the_answers(run, tmp_path) -> None:
    done = run("film.png", "film.dcm", "--explain", tmp_path / "overlays")
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert sorted(path.name for path in (tmp_path / "overlays").iterdir()) == ["film.dcm.png", "film.png.png"]
    assert (tmp_path / "overlays/film.dcm.png").read_bytes().startswith(b"\x89PNG")
    assert "overlay_png_base64" not in lines[0]["explanation"]
    assert lines[0]["explanation"]["finding"] == "PNEUMONIA"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("film.png", "sub/film.png", "--explain", "overlays"), "two films are called film.png"),
        (("film.png", "--explain", "notes.txt/overlays"), "cannot be made (Not a directory)"),
        ((), "required: FILE"),
    ],
)
def test_what_cannot_begin_is_refused_with_status_2(run, arguments, reason) -> None:
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr


def test_here_and_by_the_server_a_film_has_one_answer(command, server) -> None:
    here = json.loads(command("predict", "film.dcm").stdout)
    there = json.loads(command("client", "--url", server.address, "film.dcm").stdout)

    assert here["prediction"] == there["prediction"]
    assert here["image"] == there["image"]


def test_a_bundle_that_is_missing_reads_nothing(command, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CXR_MODELS_DIR", str(tmp_path))
    done = command("predict", "film.png")

    assert (done.returncode, done.stdout) == (2, "")
    assert "no readable file 'current'" in done.stderr


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (["--url", "http://127.0.0.1:9"], 1, "no_answer"),
        (["--key-file", "missing"], 2, "missing cannot be read (No such file or directory)"),
        (["--key-file", "notes.txt"], 2, "notes.txt holds no token"),
        (["--ca-file", "notes.txt"], 2, "cannot be read as certificates"),
    ],
)
def test_a_server_that_is_not_there_and_secrets_that_cannot_be_read_are_told(command, options, status, reason) -> None:
    done = command("client", *options, "film.png")

    assert done.returncode == status
    assert reason in done.stdout + done.stderr


@pytest.mark.process
def test_a_key_is_read_from_its_file(command, films, tmp_path, tiny_models) -> None:
    key = command("keys", "add", "--name", "ris", "--scope", "predict", "--file", tmp_path / "keys.json").stdout
    (tmp_path / "key").write_text(key)
    server = Server(tiny_models, api_keys_file=tmp_path / "keys.json")
    try:
        refused = command("client", "--url", server.address, "film.png")
        done = command("client", "--url", server.address, "--key-file", tmp_path / "key", "--stat", "film.png")
    finally:
        server.end()

    assert json.loads(refused.stdout)["failure"]["code"] == "unauthenticated"
    assert done.returncode == 0


@pytest.mark.process
def test_the_process_prints_answers_alone_to_standard_output_and_refuses_unknown_commands(films) -> None:
    def start(*arguments):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "CXR_MODELS_DIR": str(ROOT / "models")}
        line = [sys.executable, "-m", "service", *arguments]
        return subprocess.run(line, cwd=films, env=environment, capture_output=True, text=True, check=False)

    done = start("predict", "film.dcm", "notes.txt")
    unknown = start("prdict")

    assert done.returncode == 1
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["film.dcm", "notes.txt"]
    assert unknown.returncode == 2
    assert (
        "unknown command prdict; available: predict, client, accept, site, keys, audit, compare, deidentify, verdicts, "
        "resume, quarterly, dimse, worklist, tune; omit it to start the server" in unknown.stderr
    )


@pytest.fixture
def populations(tmp_path, monkeypatch):
    """Two bundles that serve side by side and cannot tell whose film it is."""
    models = write_both(tmp_path / "models", guide=False)
    running = Server(models, **BOTH)
    monkeypatch.setenv("CXR_MODELS", BOTH["models"])
    yield models, running.address
    running.end()


@pytest.mark.process
def test_age_and_view_that_are_said_are_held_against_the_population(command, tmp_path, monkeypatch) -> None:
    change_manifest(write_tiny_bundle(tmp_path), population={"name": "child", "age_below_years": 6})
    monkeypatch.setenv("CXR_MODELS_DIR", str(tmp_path))

    said = [command("predict", "--age", age, "--view", view, "film.png") for age, view in (("4", "PA"), ("67", "PA"))]
    wrong = command("predict", "--age", "old", "film.png")

    assert [json.loads(each.stdout)["prediction"]["population"] for each in said] == ["inside", "outside"]
    assert (wrong.returncode, "not the age of a person" in wrong.stderr) == (2, True)


@pytest.mark.process
@pytest.mark.parametrize("name", ["predict", "client"])
def test_whose_film_it_is_can_be_said_where_nothing_else_can_tell(command, populations, monkeypatch, name) -> None:
    models, address = populations
    monkeypatch.setenv("CXR_MODELS_DIR", str(models))
    options = ["--url", address] if name == "client" else []

    said = command(name, *options, "--population", "Adult", "film.png")
    unsaid = command(name, *options, "film.png")
    wrong = command(name, *options, "--population", "neonate", "film.png")

    answers = [json.loads(done.stdout) for done in (said, unsaid)]
    assert [(body["model"]["name"], body["route"]) for body in answers] == [("adults", "caller"), ("children", "none")]
    assert wrong.returncode != 0
    assert "name one of adult, child" in wrong.stdout + wrong.stderr
