"""`python -m service verdicts import` and `resume`: sent to a running service, which keeps the audit log."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from schemas.errors import SettingsError
from schemas.monitoring import Monitoring, ResumeRequest, VerdictImport
from service.commands.command import Command, ExitCode
from service.commands.connecting import add_connection, open_client

KINDS: Final[Mapping[str, str]] = {
    "csv": "text/csv",
    "fhir": "application/fhir+json",
    "hl7": "application/hl7-v2",
}
"""The media type of each kind of file."""
_SUFFIXES: Final = {".csv": "csv", ".json": "fhir", ".hl7": "hl7"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_subparsers(dest="command", required=True).add_parser(
        "import", help="store the verdicts of tables and final reports; a file that was sent before changes nothing"
    )
    add.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a table (.csv) or a report (.json, .hl7)")
    add.add_argument("--kind", choices=KINDS, help="of the files; default: by the end of each name")
    add_connection(add)


def _import(options: argparse.Namespace) -> int:
    from service.client import ClientError

    failed = False
    with open_client(options) as client:
        for file in options.files:
            kind = options.kind or _SUFFIXES.get(file.suffix.lower())
            if kind is None:
                msg = f"{file} ends like neither a table nor a report; state --kind {', '.join(KINDS)}"
                raise SettingsError(msg)
            try:
                stored = client.post("verdicts", VerdictImport, _content(file), KINDS[kind])
            except ClientError as error:
                print(f"{file}: {error}", file=sys.stderr)
                failed = True
                continue
            print(f"{file}: {stored.new} new, {stored.changed} changed, {stored.known} known")
            for problem in stored.problems:
                print(f"{file}, line {problem.line}: {problem.code}: {problem.detail}", file=sys.stderr)
            failed |= bool(stored.problems)
    return ExitCode.FAILED if failed else ExitCode.DONE


def _add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="what was found and done; it stands in the audit log")
    add_connection(parser)


def _resume(options: argparse.Namespace) -> int:
    from service.client import ClientError

    try:
        body = ResumeRequest(reason=options.reason).model_dump_json().encode()
    except ValueError as error:
        msg = "--reason has to be 8 to 500 characters long: what was found and done"
        raise SettingsError(msg) from error
    with open_client(options) as client:
        try:
            client.post("monitoring/resume", Monitoring, body, "application/json")
        except ClientError as error:
            print(f"not resumed: {error}", file=sys.stderr)
            return ExitCode.FAILED
    print("the service answers again; its figures begin anew")
    return ExitCode.DONE


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        msg = f"{file} cannot be read ({error.strerror})"
        raise SettingsError(msg) from error


verdicts_command = Command(
    "verdicts", "Send what readers and final reports say of the answers to a running service.", _add_arguments, _import
)
resume_command = Command(
    "resume", "Lift the suspension of a running service, with a reason.", _add_resume_arguments, _resume
)
