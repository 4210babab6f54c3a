"""Rules of `python -m service audit verify`."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from service.audit.files import AuditFile
from service.audit.record import AuditEntry
from service.commands.audit import audit_command
from tests.service.server import ROOT

LINES = 9


@pytest.fixture
def whole(log):
    """Nine records in three files."""
    file = AuditFile(log, max_bytes=700, sync=False)
    for number in range(LINES):
        entry = AuditEntry(at=datetime(2026, 1, 1, tzinfo=UTC), event="film", caller="anonymous", label=f"L{number}")
        file.append([entry])
    file.close()
    return log


def verify(log, *options):
    return audit_command(["verify", "--file", str(log), *options])


def change(path, edit) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(edit(lines)))


def test_a_whole_chain_is_called_whole_with_its_head(whole, capsys) -> None:
    code = verify(whole)
    printed = capsys.readouterr().out
    head = printed.split()[-1]

    assert code == 0
    assert "records 1 to 9 are whole" in printed
    assert verify(whole, "--head", head) == 0


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda lines: [lines[0].replace(b"L3", b"L7"), *lines[1:]], 2),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [lines[0], *reversed(lines[1:])], 2),
        (lambda lines: [*lines[:2], b"rubbish\n", *lines[2:]], 3),
        (lambda lines: [lines[0].replace(b'"sequence":4', b'"sequence":5'), *lines[1:]], 1),
        (lambda lines: lines[1:], 1),
    ],
    ids=["changed", "removed", "repeated", "swapped", "put between", "renumbered", "the first removed"],
)
def test_the_first_broken_line_is_named(whole, capsys, edit, line) -> None:
    change(whole.with_name("audit.jsonl.000002"), edit)

    assert verify(whole) == 1
    assert f"audit.jsonl.000002, line {line}:" in capsys.readouterr().err


def test_the_last_line_of_a_full_file_is_held_by_the_first_of_the_next(whole, capsys) -> None:
    change(whole.with_name("audit.jsonl.000001"), lambda lines: [*lines[:-1], lines[-1].replace(b"L2", b"L8")])

    assert verify(whole) == 1
    assert "audit.jsonl.000002, line 1:" in capsys.readouterr().err


def test_a_file_in_the_middle_that_is_missing_breaks_the_chain(whole, capsys) -> None:
    whole.with_name("audit.jsonl.000002").unlink()

    assert verify(whole) == 1
    assert "audit.jsonl, line 1:" in capsys.readouterr().err


def test_older_files_may_be_taken_away_and_that_is_said(whole, capsys) -> None:
    whole.with_name("audit.jsonl.000001").unlink()

    assert verify(whole) == 0
    assert "record 4 follows others that are not here" in capsys.readouterr().out


def test_what_was_cut_off_the_end_is_found_by_a_head_that_was_noted(whole, capsys) -> None:
    verify(whole)
    head = capsys.readouterr().out.split()[-1]
    change(whole, lambda lines: lines[:-1])

    assert verify(whole) == 0
    assert verify(whole, "--head", head) == 1
    assert "cut off" in capsys.readouterr().err


def test_a_half_written_line_at_the_end_is_said_and_is_no_break(whole, capsys) -> None:
    with whole.open("ab") as stream:
        stream.write(b'{"at"')

    assert verify(whole) == 0
    assert "5 bytes of a half-written line" in capsys.readouterr().out


def test_an_empty_log_is_whole(log, capsys) -> None:
    log.touch()

    assert verify(log) == 0
    assert "empty" in capsys.readouterr().out


@pytest.mark.process
def test_a_log_that_is_not_there_is_refused_by_the_programs_command(log) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "service", "audit", "verify", "--file", str(log)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ended.returncode, "cannot be read" in ended.stderr) == (2, True)


def test_the_lines_are_json_that_other_programs_read(whole) -> None:
    assert json.loads(whole.read_text().splitlines()[-1])["label"] == "L8"
