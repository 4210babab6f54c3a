"""`python -m service`: start the service with the settings of the environment, or run one of its commands."""

import gc
import os
import sys

from imaging.memory.allocator import ask_for_large_pages

# glibc reads it once, where a program begins: the server begins again, as the same process, before it has loaded
# anything. A DICOM film of 10 MB then takes a sixth less of the processor's time.
if __name__ == "__main__" and len(sys.argv) == 1 and ask_for_large_pages():
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 no shell is wanted
# Imports make 200,000 objects and next to no garbage; to look for some again and again takes 0.15 s of a start.
if __name__ == "__main__":  # and not where a program imports the commands
    gc.disable()
# Before numpy is imported: OpenBLAS reads it once. Its threads spin while they wait for the next product, which took
# half of the processor's time for a film: the service computes films, not products, in parallel.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from collections.abc import Mapping
from typing import Final

from schemas.version import VERSION
from service.commands.acceptance.accept import accept_command
from service.commands.acceptance.site import site_command
from service.commands.audit import audit_command
from service.commands.command import Command, ExitCode
from service.commands.deidentify import deidentify_command
from service.commands.dimse import dimse_command
from service.commands.keys import keys_command
from service.commands.predict import client_command, predict_command
from service.commands.quarterly import quarterly_command
from service.commands.trial.compare import compare_command
from service.commands.truth import resume_command, verdicts_command
from service.commands.tuning.tune import tune_command
from service.commands.worklist import worklist_command

COMMANDS: Final[Mapping[str, Command]] = {
    command.name: command
    for command in (
        predict_command,
        client_command,
        accept_command,
        site_command,
        keys_command,
        audit_command,
        compare_command,
        deidentify_command,
        verdicts_command,
        resume_command,
        quarterly_command,
        dimse_command,
        worklist_command,
        tune_command,
    )
}


def main() -> int:
    """Run the command that is named, or else serve; returns an `ExitCode`."""
    name = _parser().parse_args(sys.argv[1:2]).command
    if name is None:
        from service.serve import serve

        return serve()
    gc.enable()
    if name not in COMMANDS:
        print(
            f"refused: unknown command {name}; available: {', '.join(COMMANDS)}; omit it to start the server",
            file=sys.stderr,
        )
        return ExitCode.REFUSED
    return COMMANDS[name](sys.argv[2:])


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {command.name:<12}{command.description}" for command in COMMANDS.values())
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Without a command, start the server with the CXR_ settings of the environment.",
        epilog=f"commands (COMMAND --help lists the options of each):\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cxr-classifier {VERSION}")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="one of the commands below; default: serve")
    return parser


if __name__ == "__main__":
    sys.exit(main())
