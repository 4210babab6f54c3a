"""`python -m service worklist`: take work from a worklist (UPS-RS), let the service read its films, report results."""

import argparse

from service.commands.command import Command, ExitCode


def _add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Settings alone: CXR_WORKLIST_*."""


def _run(_options: argparse.Namespace) -> int:
    from service import logs
    from service.settings import load_settings

    settings = load_settings()
    logs.configure(settings.logs.format)
    from imaging.libraries import forbid_core_dumps
    from service.worklist.process import run

    forbid_core_dumps()
    run(settings)
    return ExitCode.DONE


worklist_command = Command(
    "worklist", "Perform the work of a worklist (UPS-RS, IHE AI Workflow for Imaging).", _add_arguments, _run
)
