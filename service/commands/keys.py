"""`python -m service keys add|list|revoke`: the file of API keys, edited without stopping the service."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.errors import SettingsError
from service.commands.command import Command, ExitCode
from service.security.callers import SCOPES
from service.security.keys import KeyFile, new_key, parse_keys, write_keys


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="make a key; it is printed once and stored nowhere")
    add.add_argument("--name", required=True, help="of the system that will hold the key")
    add.add_argument("--scope", action="append", required=True, choices=SCOPES, help="may be repeated")
    add.add_argument("--films-per-minute", type=int, help="quota of this key; default: CXR_RATE_LIMIT")
    add.add_argument("--days", type=int, help="days after which it expires; default: never")
    revoke = commands.add_parser("revoke", help="remove a key; it is refused from the next request on")
    revoke.add_argument("id", help="as `list` shows it")
    listing = commands.add_parser("list", help="show the keys, without their secrets")
    for command in (add, revoke, listing):
        command.add_argument("--file", type=Path, required=True, help="the file of CXR_API_KEYS_FILE")


def _run(options: argparse.Namespace) -> int:
    if options.command == "add":
        _add(options)
    elif options.command == "list":
        _list(_read(options.file))
    else:
        _revoke(options.file, options.id)
    return ExitCode.DONE


keys_command = Command("keys", "Manage the file of API keys.", _add_arguments, _run)


def _add(options: argparse.Namespace) -> None:
    file = _read(options.file) if options.file.exists() else KeyFile()
    for name in ("films_per_minute", "days"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            msg = f"--{name.replace('_', '-')} {getattr(options, name)} is under 1; give at least 1, or leave it out"
            raise SettingsError(msg)
    key, entry = new_key(
        options.name,
        tuple(dict.fromkeys(options.scope)),
        films_per_minute=options.films_per_minute,
        expires_at=None if options.days is None else datetime.now(UTC) + timedelta(days=options.days),
    )
    write_keys(options.file, KeyFile(keys=(*file.keys, entry)))
    print(key)
    print(f"{entry.id} ({entry.name}) may {', '.join(entry.scopes)}. The key is shown this once.", file=sys.stderr)


def _revoke(path: Path, identity: str) -> None:
    file = _read(path)
    others = tuple(key for key in file.keys if key.id != identity)
    if len(others) == len(file.keys):
        msg = f"no key has the id {identity}; `python -m service keys list` shows them"
        raise SettingsError(msg)
    write_keys(path, KeyFile(keys=others))


def _list(file: KeyFile) -> None:
    for key in file.keys:
        until = "for ever" if key.expires_at is None else f"until {key.expires_at:%Y-%m-%d}"
        quota = "" if key.films_per_minute is None else f", {key.films_per_minute} films a minute"
        print(f"{key.id}  {key.name}: {', '.join(key.scopes)}, {until}{quota}")


def _read(path: Path) -> KeyFile:
    try:
        return parse_keys(path.read_bytes())
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); `python -m service keys add` makes it"
        raise SettingsError(msg) from error
