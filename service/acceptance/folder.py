"""One report's folder on disk: every file of it is written whole, the signed record last."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from bundle.files import sha256_of, write_whole
from bundle.signature import DetachedSignature, Keys
from schemas.acceptance import HTML, PDF, RECORD, SIGNATURE, AcceptanceReport
from schemas.errors import EvidenceError
from service.acceptance.limits import LIMITS_COPY
from service.acceptance.observed import Observed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILMS: Final = "films.csv"
"""A line for each film, by the hash of its bytes alone; readable by its owner."""


def read_record(folder: Path) -> AcceptanceReport:
    """The record of the report in this folder.

    Raises:
        OSError: it cannot be read.
        pydantic.ValidationError: it is not a record.
    """
    return AcceptanceReport.model_validate_json((folder / RECORD).read_bytes())


def fault_of(folder: Path, keys: Keys) -> str | None:
    """Why the report in this folder is not as a key of the site has signed it; None: it is.

    Raises:
        EvidenceError: there is no signed report.
    """
    try:
        record = (folder / RECORD).read_bytes()
        signature = DetachedSignature.model_validate_json((folder / SIGNATURE).read_bytes())
        limits = sha256_of(folder / LIMITS_COPY)
        stated = AcceptanceReport.model_validate_json(record).limits.sha256
    except (OSError, ValidationError) as error:
        msg = f"{folder} does not hold a signed report with its limits; name the folder of `accept --out --key`"
        raise EvidenceError(msg) from error
    key = keys.get(signature.key_id)
    if key is None or not signature.signs(record, key):
        return f"{RECORD} is not signed by the given keys (it names key {signature.key_id}), or was altered since"
    return None if limits == stated else f"{LIMITS_COPY} is not the file whose hash the report states"


def write_report(
    folder: Path, report: AcceptanceReport, films: Sequence[Observed], key: "Ed25519PrivateKey | None"
) -> bytes:
    """Draw and write a report beside its recorded limits.

    Returns:
        The bytes of the record, which the signature covers.

    Raises:
        EvidenceError: the folder cannot be written.
    """
    # The service shows reports without reportlab and what it imports.
    from service.acceptance.document import document
    from service.acceptance.page import html_page
    from service.acceptance.pdf import pdf_file
    from service.acceptance.plots import pictures

    drawn = pictures(report)
    report = report.model_copy(update={"plots": tuple(picture.plot for picture in drawn)})
    text = document(report, drawn)
    record = (report.model_dump_json(indent=2) + "\n").encode()
    try:
        for picture in drawn:
            write_whole(folder / picture.plot.file, picture.svg)
        write_whole(folder / HTML, html_page(text))
        write_whole(folder / PDF, pdf_file(text))
        write_whole(folder / FILMS, _films_csv(films), private=True)
        if key is not None:
            from bundle.signing import signature_of

            write_whole(folder / SIGNATURE, (signature_of(record, key).model_dump_json() + "\n").encode())
        write_whole(folder / RECORD, record)
    except OSError as error:
        msg = f"{folder} cannot be written ({error.strerror}); the limits in it stay as they were recorded"
        raise EvidenceError(msg) from error
    return record


def _films_csv(films: Sequence[Observed]) -> bytes:
    stream = io.StringIO(newline="")
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(("film_sha256", "truth", "probability", "decision", "reasons"))
    for film in sorted(films, key=lambda each: each.sha256):
        table.writerow((film.sha256, int(film.truth), f"{film.probability:.6f}", film.decision, " ".join(film.reasons)))
    return stream.getvalue().encode()
