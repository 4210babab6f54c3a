"""The folder of acceptance reports, as the service shows it: one folder for each, named as the report is."""

from pathlib import Path
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError

from bundle.signature import DetachedSignature
from schemas.acceptance import RECORD, SIGNATURE, AcceptanceReport, AcceptanceSummary, ReportName
from schemas.errors import NotFoundError
from service.acceptance.folder import read_record

_NAME: Final[TypeAdapter[str]] = TypeAdapter(ReportName)

log = structlog.get_logger("service.acceptance")


class ReportArchive:
    """Reads reports; it never writes one."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` of the settings; None: there are no reports here."""
        self._folder = folder

    def list(self) -> tuple[AcceptanceSummary, ...]:
        """Every report that can be read, the newest first; others are logged and left out.

        Raises:
            NotFoundError: no folder is configured.
        """
        folder = self._root()
        names = sorted(path.parent.name for path in folder.glob(f"*/{RECORD}")) if folder.is_dir() else []
        found = []
        for name in names:
            try:
                found.append(self._summary(name))
            except NotFoundError as error:
                log.warning("report_skipped", reason=str(error))
        return tuple(sorted(found, key=lambda each: each.made_at, reverse=True))

    def record(self, name: str) -> AcceptanceReport:
        """The record of one report.

        Raises:
            NotFoundError: no folder is configured, or it holds no readable report of this name.
        """
        try:
            return read_record(self._place(name))
        except (OSError, ValidationError) as error:
            raise _missing() from error

    def file(self, name: str, file: str) -> bytes:
        """The bytes of one file of a report.

        Raises:
            NotFoundError: see `record`; or the report has no such file.
        """
        try:
            return (self._place(name) / file).read_bytes()
        except OSError as error:
            raise _missing() from error

    def plot(self, name: str, file: str) -> bytes:
        """The bytes of one picture that the record lists, as SVG.

        Raises:
            NotFoundError: see `record`; or the record lists no such picture.
        """
        if file not in {plot.file for plot in self.record(name).plots}:
            msg = "the report has no such picture; its record lists those that it has"
            raise NotFoundError(msg)
        return self.file(name, file)

    def _summary(self, name: str) -> AcceptanceSummary:
        report = self.record(name)
        return AcceptanceSummary(
            name=report.name,
            made_at=report.made_at,
            site=report.site,
            model=report.model,
            finding=report.finding,
            verdict=report.verdict,
            films=report.counts.films,
            with_finding=report.counts.with_finding,
            with_profile=report.profile is not None,
            signed_by=self._signer(name),
        )

    def _signer(self, name: str) -> str | None:
        try:
            return DetachedSignature.model_validate_json(self.file(name, SIGNATURE)).key_id
        except (NotFoundError, ValidationError):
            return None

    def _root(self) -> Path:
        if self._folder is None:
            msg = "no folder of reports is configured; the operator sets CXR_EVIDENCE_DIR, docs/acceptance.md"
            raise NotFoundError(msg)
        return self._folder

    def _place(self, name: str) -> Path:
        root = self._root()
        try:
            return root / _NAME.validate_python(name)
        except ValidationError as error:
            raise _missing() from error


def _missing() -> NotFoundError:
    msg = "there is no such acceptance report, or it cannot be read; GET /acceptance lists those that there are"
    return NotFoundError(msg)
