"""`python -m service keys add|list|revoke`: the file of API keys, edited without stopping the service."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.errors import CxrError, SettingsError
from service.security.callers import SCOPES
from service.security.keys import KeyFile, new_key, parse_keys, write_keys

REFUSED = 2


def keys_command(arguments: list[str]) -> int:
    """Run one command; 0, or 2 where it was refused.

    Args:
        arguments: what follows `keys` on the command line.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.command == "add":
            _add(options)
        elif options.command == "list":
            _list(_read(options.file))
        else:
            _revoke(options.file, options.id)
    except CxrError as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service keys", description="Manage the file of API keys.")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="make a key; it is printed once and stored nowhere")
    add.add_argument("--name", required=True, help="of the system that will hold it")
    add.add_argument("--scope", action="append", required=True, choices=SCOPES, help="may be repeated")
    add.add_argument("--films-per-minute", type=int, help="its own quota")
    add.add_argument("--days", type=int, help="after which it expires; default: never")
    revoke = commands.add_parser("revoke", help="remove a key; it is refused from the next request on")
    revoke.add_argument("id", help="as `list` shows it")
    listing = commands.add_parser("list", help="show the keys, without their secrets")
    for command in (add, revoke, listing):
        command.add_argument("--file", type=Path, required=True, help="the file of CXR_API_KEYS_FILE")
    return parser


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
    kept = tuple(key for key in file.keys if key.id != identity)
    if len(kept) == len(file.keys):
        msg = f"no key has the id {identity}; `python -m service keys list` shows them"
        raise SettingsError(msg)
    write_keys(path, KeyFile(keys=kept))


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
