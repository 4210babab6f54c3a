"""Reading many files at once: ahead in threads, with a list of those that cannot be read, or without them."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from schemas.errors import CxrError, TrainingDataError
from trainer.reporter import Progress

_LISTED = 10
_READ_AHEAD = 256
T = TypeVar("T")


def read_files(
    paths: Sequence[Path], read: Callable[[Path], T], *, root: Path, progress: Progress | None = None
) -> Iterator[T]:
    """Yield `read(path)` of every path, in order, computed by one thread for each core, at most 256 files ahead.

    Raises:
        TrainingDataError: after the last file, where `read` raised `OSError` or `CxrError` for some:
            lists the first of them, relative to `root`, and holds all of them.
    """

    def attempt(path: Path) -> T | OSError | CxrError:
        try:
            return read(path)
        except (OSError, CxrError) as error:
            return error

    failures: dict[Path, str] = {}
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), _READ_AHEAD):
            ahead = paths[start : start + _READ_AHEAD]
            for path, outcome in zip(ahead, pool.map(attempt, ahead), strict=True):
                done += 1
                if progress is not None:
                    progress(done, len(paths))
                if isinstance(outcome, OSError | CxrError):
                    failures[path] = str(outcome)
                else:
                    yield outcome
    if failures:
        lines = [f"{path.relative_to(root).as_posix()}: {reason}" for path, reason in failures.items()]
        msg = (
            f"{len(failures)} of {len(paths)} files cannot be read as films; mend or remove them, or leave them out "
            "with --skip-unreadable:" + listing(lines)
        )
        raise TrainingDataError(msg, unreadable=failures)


class HasPath(Protocol):
    """Anything that lies in a file."""

    @property
    def path(self) -> Path:
        """The file."""
        ...


F = TypeVar("F", bound=HasPath)


def read_or_skip(
    films: Sequence[F], read: Callable[[Sequence[F]], T], *, root: Path, skip: bool
) -> tuple[tuple[F, ...], T, tuple[str, ...]]:
    """Read films, without those that cannot be read where `skip` allows it.

    Args:
        films: what to read.
        read: reads all that it is given, as `read_files` does; called again without the unreadable ones.
        root: folder that the messages' paths are relative to.
        skip: whether unreadable films are left out.

    Returns:
        The readable films, what `read` made of them, and a line with the reason for each of the others.

    Raises:
        TrainingDataError: unreadable films without `skip`, or all are unreadable.
    """
    try:
        return tuple(films), read(films), ()
    except TrainingDataError as error:
        readable = tuple(film for film in films if film.path not in error.unreadable)
        if not (skip and error.unreadable and readable):
            raise
        reasons = error.unreadable.items()
    lines = (f"{path.relative_to(root).as_posix()}: unreadable: {reason}" for path, reason in reasons)
    return readable, read(readable), tuple(lines)


def listing(lines: Sequence[str]) -> str:
    """The first lines, each on its own, and how many more there are."""
    more = [f"… and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "".join(f"\n  {line}" for line in [*lines[:_LISTED], *more])
