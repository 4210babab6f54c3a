"""How a command reaches a running service: its address, and the key that it presents there."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import SettingsError
from service.security.secret_file import read_token

if TYPE_CHECKING:
    from service.client import Client


def add_connection(parser: argparse.ArgumentParser) -> None:
    """The options that name a service and a key."""
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service; default: %(default)s")
    parser.add_argument(
        "--key-file", type=Path, help="file with the API key; everybody on the machine can see a key on a command line"
    )
    parser.add_argument("--token-file", type=Path, help="file with a bearer token instead of a key")
    parser.add_argument("--ca-file", type=Path, help="certificates in PEM that vouch for the service")


def open_client(options: argparse.Namespace) -> "Client":
    """Connect by these options; nothing is sent yet.

    Raises:
        SettingsError: a file cannot be read.
    """
    from service.client import Client

    try:
        return Client(
            options.url, api_key=_token(options.key_file), token=_token(options.token_file), ca_file=options.ca_file
        )
    except OSError as error:
        msg = f"--ca-file {options.ca_file} cannot be read as certificates; give a file in PEM"
        raise SettingsError(msg) from error


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return read_token(path)
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); give a file with the key or token alone"
        raise SettingsError(msg) from error
