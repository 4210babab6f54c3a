"""`python -m service accept`: what a site's own films say of the bundle, against limits that were stated before."""

import argparse
import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from schemas.acceptance import AcceptanceReport, ReportName
from schemas.errors import SettingsError
from service.commands.command import Command, ExitCode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from service.acceptance.labels import LabelReader
    from service.acceptance.limits import ReadLimits
    from service.commands.acceptance.evidence import EvidenceChain
    from service.commands.local import LocalReader

_NAME: Final[TypeAdapter[str]] = TypeAdapter(ReportName)


@dataclass(frozen=True, slots=True)
class AcceptanceTest:
    """What is tested, and where the report goes."""

    films: Path
    labels: Path
    limits: "ReadLimits"
    out: Path
    name: str
    site: str | None
    finding: str | None
    key: "Ed25519PrivateKey | None"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("films", type=Path, help="folder of films; only labelled ones are read, and none leaves")
    parser.add_argument(
        "labels", type=Path, help="CSV table: film, the finding's name, age, sex, view, device, station"
    )
    parser.add_argument("--limits", type=Path, required=True, help="YAML file of what the figures have to reach")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the report, which has its name")
    parser.add_argument("--site", help="name of the site, as the report shows it")
    parser.add_argument("--finding", help="which of the bundle's findings; default: its only one")
    parser.add_argument("--key", type=Path, help="the site's private key, which signs the report; default: unsigned")
    parser.add_argument(
        "--audit-file", type=Path, help="chain of what was begun and found; default: audit.jsonl beside --out"
    )


def _run(options: argparse.Namespace) -> int:
    from service.acceptance.labels import read_labels
    from service.acceptance.limits import read_limits
    from service.commands.acceptance.evidence import CHAIN, evidence_chain, site_key
    from service.commands.local import log_warnings_only

    log_warnings_only()
    test = AcceptanceTest(
        films=options.films,
        labels=options.labels,
        limits=read_limits(options.limits),
        out=options.out,
        name=_name(options.out),
        site=options.site,
        finding=options.finding,
        key=None if options.key is None else site_key(options.key),
    )
    with evidence_chain(options.audit_file or options.out.resolve().parent / CHAIN) as chain:
        report = asyncio.run(_accept(test, chain, read_labels))
    _print(report, options.out)
    return ExitCode.DONE if report.verdict == "accept" else ExitCode.FAILED


accept_command = Command(
    "accept",
    "Test the bundle on the site's own labelled films against limits; the CXR_ settings apply.",
    _add_arguments,
    _run,
)


async def _accept(test: AcceptanceTest, chain: "EvidenceChain", read: "LabelReader") -> AcceptanceReport:
    from service.commands.local import open_reader
    from service.settings import load_settings

    async with open_reader(load_settings()) as reader:
        return await run_acceptance(test, chain, reader, read)


async def run_acceptance(
    test: AcceptanceTest, chain: "EvidenceChain", reader: "LocalReader", read: "LabelReader"
) -> AcceptanceReport:
    """Record the limits, then read labels and films, and write the report.

    Args:
        test: what is tested.
        chain: holds the hash of the limits before `read` is called, and that of the report at the end.
        reader: of films, with the bundle that is tested.
        read: of labels; nothing has looked at them before.

    Raises:
        CxrError: limits, labels or films cannot be used; the recorded limits stay.
    """
    from service.acceptance.folder import write_report
    from service.acceptance.limits import record_limits
    from service.acceptance.report import Heading, Subject, make_report
    from service.commands.acceptance.evidence import recorded_failure
    from service.commands.acceptance.labelled import chosen_finding, examine, single_bundle

    loaded = single_bundle(reader)
    finding = chosen_finding(loaded, test.finding)
    recorded = record_limits(test.out, test.limits, datetime.now(UTC))
    chain.record("acceptance", "begun", content_sha256=recorded.sha256, model_sha256=loaded.reference.sha256)
    with recorded_failure(chain, "acceptance"):
        labels = read(test.labels, finding, loaded.manifest.negative_class)
        examined = await examine(reader, test.films, labels, finding)
        subject = Subject(loaded.manifest, loaded.reference, finding)
        heading = Heading(test.name, test.site, datetime.now(UTC))
        report = make_report(heading, subject, recorded, examined)
        written = write_report(test.out, report, examined.films, test.key)
    digest = sha256(written).hexdigest()
    chain.record("acceptance", report.verdict, content_sha256=digest, model_sha256=loaded.reference.sha256)
    return report


def _name(out: Path) -> str:
    try:
        return _NAME.validate_python(out.resolve().name)
    except ValidationError as error:
        msg = (
            f"--out {out}: the folder's name is that of the report, of small letters, digits, dots, hyphens and "
            "underscores; give another name"
        )
        raise SettingsError(msg) from error


def _print(report: AcceptanceReport, out: Path) -> None:
    counts = report.counts
    print(f"{report.verdict}: {counts.films} films, {counts.with_finding} with {report.finding}, {report.seconds:g} s")
    for reason in report.reasons:
        print(f"  {reason}")
    print(f"report: {out / 'report.html'} and {out / 'report.pdf'}")
