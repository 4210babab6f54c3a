"""How every command of `python -m service` reads its options, is refused and ends."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from schemas.errors import CxrError


class ExitCode(IntEnum):
    """The exit statuses of `python -m service` and of all its commands."""

    DONE = 0
    FAILED = 1
    """It ran, and something is wrong: a film has no answer or no copy, or the audit log is broken."""
    REFUSED = 2
    """Nothing could begin: options, settings or files are not as they must be."""
    NOT_STARTED = 3
    """The server could not start, for instance because its port is taken."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command; called with the words that follow its name, it returns an `ExitCode`."""

    name: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Raises CxrError where it is refused."""

    def __call__(self, arguments: list[str]) -> int:
        """Read the arguments and run."""
        parser = argparse.ArgumentParser(prog=f"python -m service {self.name}", description=self.description)
        self.add_arguments(parser)
        options = parser.parse_args(arguments)

        from service.libraries import configure_libraries

        configure_libraries()
        try:
            return self.run(options)
        except CxrError as error:
            print(f"refused: {error}", file=sys.stderr)
            return ExitCode.REFUSED
