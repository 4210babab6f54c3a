"""`python -m service predict` and `python -m service client`: films from the command line, read here or by a server."""

import argparse
import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.api import ExplainResponse, PredictResponse
from schemas.errors import CxrError
from service.commands.command import Command, ExitCode
from service.commands.connecting import add_connection, open_client
from service.commands.report import NoReadingError, Outcome, add_arguments, finish, prepare_folder, printer

if TYPE_CHECKING:
    from service.client import CallOptions, Client
    from service.commands.local import LocalReader

Read = Callable[[bytes], Awaitable[PredictResponse]]
"""Reads the bytes of one film; raises NoReadingError."""


def _add_client_arguments(parser: argparse.ArgumentParser) -> None:
    add_connection(parser)
    parser.add_argument("--stat", action="store_true", help="read these films before routine films")
    parser.add_argument(
        "--deadline-ms",
        type=int,
        help="give up on a film after this many milliseconds; default: the service's deadline",
    )
    add_arguments(parser)


async def _predict(options: argparse.Namespace) -> int:
    from service.commands.local import log_warnings_only, open_reader
    from service.reading.stated import stated_facts
    from service.settings import load_settings

    log_warnings_only()
    prepare_folder(options.explain, options.films)
    stated = stated_facts(options.age, options.view)
    async with open_reader(load_settings(), options.population, stated) as reader:
        return await _read_all(options, _local(reader, explain=options.explain is not None))


async def _send(options: argparse.Namespace) -> int:
    from service.client import CallOptions

    prepare_folder(options.explain, options.films)
    call = CallOptions(
        "stat" if options.stat else "routine",
        options.deadline_ms,
        population=options.population,
        age=options.age,
        view=options.view,
    )
    with open_client(options) as client:
        return await _read_all(options, _remote(client, call, explain=options.explain is not None))


def _local(reader: "LocalReader", *, explain: bool) -> Read:
    async def read(film: bytes) -> PredictResponse:
        try:
            return await (reader.explain(film) if explain else reader.predict(film))
        except CxrError as error:
            raise NoReadingError(error.code, str(error)) from error

    return read


def _remote(client: "Client", call: "CallOptions", *, explain: bool) -> Read:
    from service.client import ClientError, ProblemError

    async def read(film: bytes) -> PredictResponse:
        try:
            return client.explain(film, call) if explain else client.predict(film, call)
        except ProblemError as error:
            raise NoReadingError(error.code, error.detail) from error
        except ClientError as error:
            code = "no_answer"
            raise NoReadingError(code, str(error)) from error

    return read


predict_command = Command(
    "predict",
    "Read films with the bundles that the service would serve, without a server; the CXR_ settings apply.",
    add_arguments,
    lambda options: asyncio.run(_predict(options)),
)
client_command = Command(
    "client",
    "Send films to a running service, one after another.",
    _add_client_arguments,
    lambda options: asyncio.run(_send(options)),
)


async def _read_all(options: argparse.Namespace, read: Read) -> int:
    show = printer(options.format, options.films)
    failures = []
    for film in options.films:
        outcome: Outcome
        try:
            outcome = await read(_content(film))
            if isinstance(outcome, ExplainResponse):
                _write_overlay(options.explain / f"{film.name}.png", outcome)
        except NoReadingError as error:
            outcome = error
            failures.append(film)
        show(film, outcome)
    finish(options.films, failures)
    return ExitCode.FAILED if failures else ExitCode.DONE


def _content(film: Path) -> bytes:
    try:
        return film.read_bytes()
    except OSError as error:
        code = "unreadable"
        raise NoReadingError(code, f"the file cannot be read ({error.strerror})") from error


def _write_overlay(path: Path, answer: ExplainResponse) -> None:
    from bundle.files import write_whole

    try:
        write_whole(path, base64.b64decode(answer.explanation.overlay_png_base64), private=True)
    except OSError as error:
        code = "overlay_not_written"
        raise NoReadingError(code, f"the overlay cannot be written ({error.strerror})") from error
