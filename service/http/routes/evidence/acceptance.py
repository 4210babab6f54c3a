"""`GET /acceptance…`: what the hospital's own films say of a bundle; written by `python -m service accept`."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response

from schemas.acceptance import HTML, PDF, AcceptanceList, AcceptanceReport
from schemas.errors import InvalidParameterError, NotFoundError
from service.acceptance.archive import ReportArchive
from service.http.authorization import Requires
from service.http.current import CurrentServices
from service.http.errors import GATE_FAILURES, documented

HTML_TYPE: Final = "text/html; charset=utf-8"
PDF_TYPE: Final = "application/pdf"
SVG_TYPE: Final = "image/svg+xml"
REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""A report holds its style and its pictures itself, and runs nothing."""
FAILURES: Final = documented(*GATE_FAILURES, NotFoundError, InvalidParameterError)

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="of the report, as the list shows it")]
Picture = Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,64}\.svg$", description="a file of the record's `plots`")]

router = APIRouter(prefix="/acceptance", tags=["evidence"], dependencies=[Depends(Requires("predict", reads=True))])


def _content(media_type: str, form: str) -> dict[int | str, dict[str, Any]]:
    schema = {"type": "string", "format": form} if form else {"type": "string"}
    return {200: {"content": {media_type: {"schema": schema}}}}


async def archive_of(services: CurrentServices) -> ReportArchive:
    """The reports of the folder of the settings."""
    return ReportArchive(services.evidence.evidence_dir)


CurrentArchive = Annotated[ReportArchive, Depends(archive_of)]


@router.get(
    "", operation_id="list_acceptance_reports", summary="The acceptance reports of this site", responses=FAILURES
)
async def list_reports(archive: CurrentArchive) -> AcceptanceList:
    """The newest first; 404 where no folder of reports is configured."""
    return AcceptanceList(reports=await asyncio.to_thread(archive.list))


@router.get("/{report}", operation_id="get_acceptance_report", summary="One acceptance report", responses=FAILURES)
async def one_report(archive: CurrentArchive, report: Name) -> AcceptanceReport:
    """Its record: every figure with its interval and its limit."""
    return await asyncio.to_thread(archive.record, report)


@router.get(
    "/{report}/report.html",
    operation_id="get_acceptance_page",
    summary="One acceptance report for a person",
    response_class=Response,
    responses=_content("text/html", "") | FAILURES,
)
async def as_html(archive: CurrentArchive, report: Name) -> Response:
    """One page that needs no other file."""
    content = await asyncio.to_thread(archive.file, report, HTML)
    return Response(content, media_type=HTML_TYPE, headers={"Content-Security-Policy": REPORT_POLICY})


@router.get(
    "/{report}/report.pdf",
    operation_id="get_acceptance_pdf",
    summary="One acceptance report for the file",
    response_class=Response,
    responses=_content(PDF_TYPE, "binary") | FAILURES,
)
async def as_pdf(archive: CurrentArchive, report: Name) -> Response:
    """The same as PDF."""
    return Response(await asyncio.to_thread(archive.file, report, PDF), media_type=PDF_TYPE)


@router.get(
    "/{report}/plots/{picture}",
    operation_id="get_acceptance_plot",
    summary="One picture of an acceptance report",
    response_class=Response,
    responses=_content(SVG_TYPE, "") | FAILURES,
)
async def plot(archive: CurrentArchive, report: Name, picture: Picture) -> Response:
    """As SVG; the record lists the pictures with a text for each."""
    content = await asyncio.to_thread(archive.plot, report, picture)
    return Response(content, media_type=SVG_TYPE, headers={"Content-Security-Policy": "default-src 'none'"})
