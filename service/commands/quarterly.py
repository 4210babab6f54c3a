"""`python -m service quarterly`: the post-market bundle of a period, from the ledger and the audit log."""

import argparse
import sys
from datetime import date
from pathlib import Path

from schemas.errors import SettingsError
from service.commands.audit import BrokenChainError, verify_log
from service.commands.command import Command, ExitCode


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="first", required=True, type=_day, metavar="YYYY-MM-DD", help="first day, in UTC"
    )
    parser.add_argument("--to", dest="last", required=True, type=_day, metavar="YYYY-MM-DD", help="last day, in UTC")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder that does not exist yet")


def _write(options: argparse.Namespace) -> int:
    from service.settings import load_settings
    from service.surveillance.quarter.bundle import write_quarter
    from service.surveillance.quarter.sources import Period
    from service.surveillance.tables import open_for_reading

    settings = load_settings()
    period = Period(options.first, options.last)
    log = None
    if (file := settings.audit.file) is not None:
        try:
            log = (file, verify_log(file).head)
        except BrokenChainError as error:
            print(f"the audit log is broken, so nothing is written: {error}", file=sys.stderr)
            return ExitCode.FAILED
        except OSError as error:
            msg = f"CXR_AUDIT_FILE {file} cannot be read ({error.strerror}); name that of the service"
            raise SettingsError(msg) from error
    with open_for_reading(settings.dicomweb.spool_url) as engine:
        models_dir = settings.models.bundles_dir
        quarter = write_quarter(engine, period, log=log, models_dir=models_dir, out=options.out)
    films = sum(bundle.films for bundle in quarter.bundles)
    print(f"{options.out}: {films} films, {sum(each.count for each in quarter.verdicts)} verdicts")
    return ExitCode.DONE


def _day(text: str) -> date:
    return date.fromisoformat(text)


quarterly_command = Command(
    "quarterly",
    "Write the post-market bundle of a period; the CXR_ settings name the spool, the audit log and the models.",
    _add_arguments,
    _write,
)
