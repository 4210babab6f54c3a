"""`python -m service deidentify`: copies of DICOM films for training sets, by PS3.15 Annex E."""

import argparse
import io
import secrets
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom import dcmread, dcmwrite
from pydicom.filereader import read_file_meta_info

from bundle.files import write_whole
from imaging.dicom.attributes import text
from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from imaging.limits import parsing
from schemas.errors import CxrError, InvalidImageError, SettingsError, UnsupportedImageError
from service.commands.command import Command, ExitCode

if TYPE_CHECKING:
    from imaging.deidentification.deidentify import Deidentifier


@dataclass(frozen=True, slots=True)
class _Copy:
    content: bytes
    uid: str
    patient: str
    """The pseudonym."""
    states_burned_in: bool
    """Whether the file states at all if text is burned in."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="DICOM files and folders of them")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the copies, which are named by their new UIDs"
    )
    parser.add_argument("--key", type=Path, help="file of a secret: the same secret gives the same pseudonyms and UIDs")
    parser.add_argument(
        "--accept-burned-in",
        action="store_true",
        help="copy films whose files state that text is burned into the pixels",
    )


def _run(options: argparse.Namespace) -> int:
    files = _files(options.inputs, options.out)
    from imaging.deidentification.deidentify import Deidentifier  # with OpenCV, which --help needs not

    deidentifier = Deidentifier(_key(options.key))
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"--out {options.out} cannot be made ({error.strerror}); give a folder that can be written"
        raise SettingsError(msg) from error
    if options.key is None:
        print("No --key: the pseudonyms and UIDs of this run fit no other run, and cannot be made again.")
    return _copy_all(files, options.out, deidentifier, accept_burned_in=options.accept_burned_in)


deidentify_command = Command(
    "deidentify",
    "Copy CR and DX films without what identifies their patients (DICOM PS3.15 Annex E, Basic Profile).",
    _add_arguments,
    _run,
)


def _files(inputs: Iterable[Path], out: Path) -> list[Path]:
    """Every file to copy, in order.

    Raises:
        SettingsError: an input does not exist, or copies would lie among the inputs.
    """
    files: list[Path] = []
    for path in inputs:
        if not path.exists():
            msg = f"{path} does not exist; give files or folders that do"
            raise SettingsError(msg)
        folder = path if path.is_dir() else path.parent
        if out.resolve() == folder.resolve() or (path.is_dir() and folder.resolve() in out.resolve().parents):
            msg = (
                f"--out {out} lies among the films of {folder}; copies and originals must not mix: give another folder"
            )
            raise SettingsError(msg)
        files += sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return files


def _key(path: Path | None) -> bytes:
    """Raises SettingsError: the file cannot be read, or its secret can be guessed."""
    if path is None:
        return secrets.token_bytes(32)
    try:
        key = path.read_bytes()
    except OSError as error:
        msg = f"--key {path} cannot be read ({error.strerror}); make one: head -c 32 /dev/urandom > {path}"
        raise SettingsError(msg) from error
    from imaging.deidentification.deidentify import SHORTEST_KEY

    if len(key) < SHORTEST_KEY:
        msg = f"--key {path} holds {len(key)} bytes, and under {SHORTEST_KEY} can be guessed; give a longer secret"
        raise SettingsError(msg)
    return key


def _copy_all(files: Sequence[Path], out: Path, deidentifier: "Deidentifier", *, accept_burned_in: bool) -> int:
    outcomes: Counter[str] = Counter()
    patients: set[str] = set()
    written: set[str] = set()
    for path in _with_progress(files):
        try:
            copy = _copy(path, deidentifier, accept_burned_in=accept_burned_in)
            if copy.uid in written:
                msg = "another file of this run has its SOPInstanceUID; only the first was copied"
                raise InvalidImageError(msg)
            write_whole(out / f"{copy.uid}.dcm", copy.content, private=True)
        except (CxrError, OSError) as error:
            code = error.code if isinstance(error, CxrError) else "unreadable"
            outcomes[code] += 1
            print(f"{path}: {code}: {error}", file=sys.stderr)
            continue
        written.add(copy.uid)
        patients.add(copy.patient)
        outcomes["copied"] += 1
        outcomes["copied, BurnedInAnnotation not stated"] += not copy.states_burned_in
    _summarise(outcomes, len(files), len(patients))
    return ExitCode.DONE if outcomes["copied"] == len(files) else ExitCode.FAILED


def _copy(path: Path, deidentifier: "Deidentifier", *, accept_burned_in: bool) -> _Copy:
    with parsing("DICOM file meta information"):
        syntax = read_file_meta_info(path).get("TransferSyntaxUID")
    if syntax not in TRANSFER_SYNTAXES:  # before pydicom inflates a deflated data set
        msg = "written in a transfer syntax that is not read here; convert the film first"
        raise UnsupportedImageError(msg)
    with parsing("DICOM data set"):
        source = dcmread(path)
    film = deidentifier.copy(source, accept_burned_in=accept_burned_in)
    stream = io.BytesIO()
    with parsing("DICOM data set"):
        dcmwrite(stream, film, enforce_file_format=True)
    return _Copy(
        stream.getvalue(), str(film.SOPInstanceUID), str(film.PatientID), bool(text(source, "BurnedInAnnotation"))
    )


def _with_progress(files: Sequence[Path]) -> Iterator[Path]:
    for number, path in enumerate(files, start=1):
        if sys.stderr.isatty():
            print(f"\r{number} of {len(files)}", end="\n" if number == len(files) else "", file=sys.stderr, flush=True)
        yield path


def _summarise(outcomes: Counter[str], files: int, patients: int) -> None:
    rows = [("files", files), *sorted(outcomes.items()), ("patients among the copies", patients)]
    width = max(len(name) for name, _ in rows)
    for name, count in rows:
        if count or name == "files":
            print(f"{name:<{width}}  {count:>6}")
