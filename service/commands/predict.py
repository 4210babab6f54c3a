"""`python -m service predict` and `python -m service client`: films from the command line, read here or by a server."""

import argparse
import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

from bundle.files import write_whole
from schemas.api import ExplainResponse, PredictResponse
from schemas.errors import CxrError, SettingsError
from service.client import Client, ClientError, ProblemError, Terms
from service.commands.local import LocalReader, open_reader, quiet
from service.commands.report import FilmError, Outcome, add_arguments, finish, prepare_folder, printer
from service.settings import load_settings

REFUSED, INCOMPLETE = 2, 1

Read = Callable[[bytes], Awaitable[PredictResponse]]
"""Reads the bytes of one film; raises FilmError."""


def predict_command(arguments: list[str]) -> int:
    """Read films in this process; 0, 1 where a film has no answer, 2 where nothing could begin.

    Args:
        arguments: what follows `predict` on the command line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m service predict",
        description="Read films with the bundle that the service would serve, without a server. CXR_ settings hold here too.",
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    return _guarded(_predict(options))


def client_command(arguments: list[str]) -> int:
    """Send films to a server; 0, 1 where a film has no answer, 2 where nothing could begin.

    Args:
        arguments: what follows `client` on the command line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m service client", description="Send films to a running service, one after another."
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service; default: %(default)s")
    parser.add_argument(
        "--key-file", type=Path, help="file with the API key; a key on a command line is seen by everybody"
    )
    parser.add_argument("--token-file", type=Path, help="file with a bearer token instead")
    parser.add_argument("--ca-file", type=Path, help="certificates in PEM that vouch for the service")
    parser.add_argument("--stat", action="store_true", help="before routine films")
    parser.add_argument("--deadline-ms", type=int, help="give up on a film after so long; default: the service's")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    return _guarded(_send(options))


def _guarded(work: Coroutine[None, None, int]) -> int:
    try:
        return asyncio.run(work)
    except CxrError as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED


async def _predict(options: argparse.Namespace) -> int:
    quiet()
    prepare_folder(options.explain, options.films)
    async with open_reader(load_settings()) as reader:
        return await _read_all(options, _local(reader, explain=options.explain is not None))


async def _send(options: argparse.Namespace) -> int:
    prepare_folder(options.explain, options.films)
    terms = Terms("stat" if options.stat else "routine", options.deadline_ms)
    with _open_client(options) as client:
        return await _read_all(options, _remote(client, terms, explain=options.explain is not None))


def _local(reader: LocalReader, *, explain: bool) -> Read:
    async def read(film: bytes) -> PredictResponse:
        try:
            return await (reader.explain(film) if explain else reader.predict(film))
        except CxrError as error:
            raise FilmError(error.code, str(error)) from error

    return read


def _remote(client: Client, terms: Terms, *, explain: bool) -> Read:
    async def read(film: bytes) -> PredictResponse:
        try:
            return client.explain(film, terms) if explain else client.predict(film, terms)
        except ProblemError as error:
            raise FilmError(error.code, error.detail) from error
        except ClientError as error:
            code = "no_answer"
            raise FilmError(code, str(error)) from error

    return read


async def _read_all(options: argparse.Namespace, read: Read) -> int:
    show = printer(options.format, options.films)
    failed = []
    for film in options.films:
        outcome: Outcome
        try:
            outcome = await read(_content(film))
            if isinstance(outcome, ExplainResponse):
                _write_overlay(options.explain / f"{film.name}.png", outcome)
        except FilmError as error:
            outcome = error
            failed.append(film)
        show(film, outcome)
    finish(options.films, failed)
    return INCOMPLETE if failed else 0


def _content(film: Path) -> bytes:
    try:
        return film.read_bytes()
    except OSError as error:
        code = "unreadable"
        raise FilmError(code, f"the file cannot be read ({error.strerror})") from error


def _write_overlay(path: Path, answer: ExplainResponse) -> None:
    try:
        write_whole(path, base64.b64decode(answer.explanation.overlay_png_base64), private=True)
    except OSError as error:
        code = "overlay_not_written"
        raise FilmError(code, f"the overlay cannot be written ({error.strerror})") from error


def _open_client(options: argparse.Namespace) -> Client:
    try:
        return Client(
            options.url, api_key=_secret(options.key_file), token=_secret(options.token_file), ca_file=options.ca_file
        )
    except OSError as error:
        msg = f"--ca-file {options.ca_file} cannot be read as certificates; give a file in PEM"
        raise SettingsError(msg) from error


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read ({type(error).__name__}); give a file with the key or token alone"
        raise SettingsError(msg) from error
