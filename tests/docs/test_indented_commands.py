"""Rules of the commands in indented blocks: where no test runs them, their program reads their options."""

import argparse
import re
import shlex

import pytest

import export.__main__
import trainer.__main__
from service.commands.every import COMMANDS
from tests.docs.pages import PAGES, named
from tests.docs.test_commands import typer_command

PYTHON = re.compile(
    r"^ {4,}((?:[A-Z_]+=\S+ |sudo |-u cxr |\.venv-cpu/bin/)*python -m (?:service|trainer|export) .+)$", re.MULTILINE
)


def commands(page):
    """Each indented call of a program of ours, as one line without its variables."""
    text = re.sub(r"\\\n\s+", "", page.read_text())
    lines = (line.partition("   #")[0] for line in PYTHON.findall(text) if not re.search(r"\[--|--help", line))
    return [shlex.split(line.partition(" python -m ")[2] or line.partition("python -m ")[2]) for line in lines]


WITH_COMMANDS = [page for page in PAGES if page.parent.name != "results" and commands(page)]
"""Pages of results name options that several runs share."""


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=named)
def test_every_indented_command_has_options_that_its_program_knows(page) -> None:
    for program, *words in commands(page):
        # In `$(…)`, and where a page shows a piece of a command.
        arguments = [word.rstrip(")") for word in words if word not in {"…", "..."}]
        if program == "service":
            command = COMMANDS[arguments[0]]
            parser = argparse.ArgumentParser(exit_on_error=False)
            command.add_arguments(parser)
            parser.parse_args(arguments[1:])
        else:
            typer_command({"trainer": trainer.__main__.app, "export": export.__main__.app}[program], arguments)


def test_the_pages_of_operators_are_among_them() -> None:
    expected = {"docs/acceptance.md", "docs/audit.md", "docs/challenger.md", "docs/surveillance.md", "docs/pacs.md"}
    assert {named(page) for page in WITH_COMMANDS} >= expected
