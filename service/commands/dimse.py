"""`python -m service dimse`: receive films by C-STORE, and hand them to the service; or try a connection by C-ECHO."""

import argparse

from service.commands.command import Command, ExitCode


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action")
    echo = actions.add_parser("echo", help="ask an application entity by C-ECHO whether it answers")
    echo.add_argument("peer", nargs="?", metavar="AETITLE@HOST:PORT", help="default: the process of the settings")


def _run(options: argparse.Namespace) -> int:
    from service import logs
    from service.settings import load_settings

    settings = load_settings()
    logs.configure(settings.logs.format)
    if options.action == "echo":
        from service.dimse.calling import echo

        print(echo(settings, options.peer))
        return ExitCode.DONE
    from imaging.libraries import forbid_core_dumps
    from service.dimse.process import run
    from service.notification import Notification

    forbid_core_dumps()
    run(settings, Notification.from_environment())
    return ExitCode.DONE


dimse_command = Command(
    "dimse", "Receive films by C-STORE (DICOM network), or try a connection by C-ECHO.", _add_arguments, _run
)
