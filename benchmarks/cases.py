"""What a running service answers to each file of a folder, at /predict and through STOW.

    python -m benchmarks.cases FOLDER [--models DIR]

prints one row a file: status, decision or problem, and warnings of /predict; status of STOW, the state that the film
reached, and the header Warning, where there is one. It starts a service of its own with an empty spool.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.resilience.server import Server, running
from service.dicomweb.multipart import write_parts

_OK = 200
_ANALYSIS_TIMEOUT_S = 60
_INSTANCE = "00081155"  # ReferencedSOPInstanceUID
_STORED = "00081199"  # ReferencedSOPSequence
_IGNORED = (".md", ".txt", ".csv")


@dataclass(frozen=True, slots=True)
class Row:
    """The answers to one file."""

    name: str
    predict: str
    stow: str

    def __str__(self) -> str:
        """As a row of the table."""
        return f"| {self.name} | {self.predict} | {self.stow} |"


def predicted(server: Server, content: bytes) -> str:
    """What /predict answers, in one line."""
    status, body = server.ask("POST", "/predict", content)
    answer = json.loads(body)
    if status != _OK:
        return f"{status} {answer['code']}: {answer['detail']}"
    probabilities = ", ".join(f"{name} {value:.3f}" for name, value in answer["prediction"]["probabilities"].items())
    warnings = ", ".join(answer["image"]["warnings"]) or "none"
    return f"{status} {answer['prediction']['decision']} ({probabilities}); warnings: {warnings}"


def stored(server: Server, content: bytes) -> str:
    """What STOW answers, the state that the film reaches, and what STOW warned of."""
    body, media_type = write_parts([content])
    headers = {"Content-Type": media_type, "Accept": "application/dicom+json"}
    status, answered, answer = server.exchange("POST", "/dicomweb/studies", body, headers)
    references = json.loads(answer).get(_STORED, {}).get("Value", [])
    warnings = answered.get_all("Warning", [])
    shown = f"; Warning: {', '.join(_without_code(each) for each in warnings)}" if warnings else ""
    if not references:
        return f"{status} not stored{shown}"
    uid = references[0][_INSTANCE]["Value"][0]
    return f"{status} {_reached(server, uid)}{shown}"


def _without_code(warning: str) -> str:
    """The text of a warning. Source: RFC 7234 5.5."""
    return warning.replace('299 cxr "', "").replace('"', "")


def _reached(server: Server, uid: str) -> str:
    """The state that a film reaches, and its problem."""
    end = time.monotonic() + _ANALYSIS_TIMEOUT_S
    while True:
        found, result = server.ask("GET", f"/results/{uid}")
        if found != _OK:
            return f"but its result {found}"
        film = json.loads(result)
        if film["state"] != "received" or time.monotonic() > end:
            problem = f" ({film['problem']}: {film['detail']})" if film["problem"] else ""
            return f"{film['state']}{problem}"
        time.sleep(0.05)


def measure(server: Server, folder: Path) -> Iterator[Row]:
    """Post each file of the folder to a server that is ready."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _IGNORED:
            content = path.read_bytes()
            is_dicom = content[128:132] == b"DICM"
            yield Row(
                str(path.relative_to(folder)),
                predicted(server, content),
                stored(server, content) if is_dicom else "not DICOM",
            )


def main() -> None:
    """Read the arguments, start a service, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of films, searched with its subfolders")
    parser.add_argument("--models", type=Path, default=Path("models"), help="models directory (default: %(default)s)")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder; give the folder that holds the films")
    print("| file | /predict | STOW |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as spool:
        address = f"sqlite:///{spool}/spool.db"
        with running(models_dir=options.models.resolve(), dicomweb="true", spool_url=address) as server:
            for row in measure(server, options.folder):
                print(row)
                sys.stdout.flush()


if __name__ == "__main__":
    main()
