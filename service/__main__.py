"""`python -m service`: start the service with the settings of the environment, or run one of its commands."""

import gc
import os

# Imports make 200,000 objects and next to no garbage; to look for some again and again takes 0.15 s of a start.
if __name__ == "__main__":  # and not where a program imports this
    gc.disable()
# Before numpy is imported: OpenBLAS reads it once. Its threads spin while they wait for the next product, which took
# half of the processor's time for a film: the service computes films, not products, in parallel.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Pydantic would read the metadata of every installed package to find plugins, of which it has none here: 0.05 s.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

import argparse
import sys

from schemas.version import VERSION


def main() -> int:
    """Run the command that is named, or else serve; returns an `ExitCode`."""
    name = _parser().parse_args(sys.argv[1:2]).command if sys.argv[1:] else None
    if name is None:  # without the commands, for whose imports a start would wait
        from service.films.lean_imports import import_pydicom

        import_pydicom()
        from service.serve import serve

        return serve()
    from service.commands.command import ExitCode
    from service.commands.every import COMMANDS

    gc.enable()
    if name not in COMMANDS:
        print(
            f"refused: unknown command {name}; available: {', '.join(COMMANDS)}; omit it to start the server",
            file=sys.stderr,
        )
        return ExitCode.REFUSED
    return COMMANDS[name](sys.argv[2:])


def _parser() -> argparse.ArgumentParser:
    from service.commands.every import COMMANDS

    commands = "\n".join(f"  {command.name:<12}{command.description}" for command in COMMANDS.values())
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Without a command, start the server with the CXR_ settings of the environment.",
        epilog=f"commands (COMMAND --help lists the options of each):\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cxr-classifier {VERSION}")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="one of the commands below; default: serve")
    return parser


if __name__ == "__main__":
    sys.exit(main())
