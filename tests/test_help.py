"""Rules of every command line: help, version and a wrong option are answered at once, before a library is imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import export.__main__
import trainer.__main__
from schemas.version import VERSION
from service.commands.every import COMMANDS
from trainer.learning.augment import RECIPES
from trainer.networks.architectures import ARCHITECTURES

ROOT = Path(__file__).parent.parent
SLOW = {
    *("torch", "torchvision", "timm", "pandas", "onnx", "onnxruntime", "onnxscript", "sklearn", "scipy", "matplotlib"),
    *("albumentations", "optuna", "fastapi", "sqlalchemy", "cv2", "lightning_fabric"),
}
"""What takes long to import; measured: all of it, 5 to 11 s of a processor."""

ASK = """
import json, runpy, sys
statuses = []
for arguments in json.loads(sys.argv[2]):
    program = sys.argv[1]
    sys.argv[1:] = arguments
    try:
        runpy.run_module(program, run_name="__main__", alter_sys=False)
    except SystemExit as stopped:
        statuses.append(stopped.code or 0)
    sys.argv[1:] = [program]
print(json.dumps({"statuses": statuses, "modules": sorted(sys.modules)}))
"""


def _commands(app: typer.Typer) -> list[str]:
    group: Any = typer.main.get_command(app)
    return list(group.commands)


PROGRAMS = {
    "trainer": _commands(trainer.__main__.app),
    "export": _commands(export.__main__.app),
    "service": list(COMMANDS),
}


def _asked(program: str, *questions: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-c", ASK, program, json.dumps(questions)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {**json.loads(answer.stdout.splitlines()[-1]), "printed": answer.stdout}


@pytest.mark.process
@pytest.mark.parametrize("program", PROGRAMS)
def test_help_and_version_and_a_wrong_option_import_nothing_that_takes_long(program) -> None:
    helps = [["--help"], ["--version"], *([name, "--help"] for name in PROGRAMS[program])]
    wrong = [[name, "--no-such-option"] for name in PROGRAMS[program]]

    asked = _asked(program, *helps, *wrong)

    assert SLOW & {module.partition(".")[0] for module in asked["modules"]} == set()
    assert asked["statuses"] == [0] * len(helps) + [2] * len(wrong)
    assert f"cxr-classifier {VERSION}" in asked["printed"]


@pytest.mark.process
def test_architectures_and_recipes_are_listed_whole_and_at_once() -> None:
    asked = _asked("trainer", ["archs"], ["recipes"])
    lines = asked["printed"].splitlines()

    assert SLOW & {module.partition(".")[0] for module in asked["modules"]} == set()
    assert [line.split()[0] for line in lines[1 : len(ARCHITECTURES) + 1]] == list(ARCHITECTURES)
    assert next(line.split()[1:5] for line in lines if line.startswith("vgg16 ")) == [
        *("14.72", "M", "tv_in1k", "bsd-3-clause")
    ]
    assert [line for line in lines if line in RECIPES] == list(RECIPES)
    assert "  jpeg_quality  25          lowest quality a film is compressed to" in lines
