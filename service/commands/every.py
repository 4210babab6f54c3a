"""Every command of `python -m service` by its name."""

from collections.abc import Mapping
from typing import Final

from service.commands.acceptance.accept import accept_command
from service.commands.acceptance.site import site_command
from service.commands.audit import audit_command
from service.commands.command import Command
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
