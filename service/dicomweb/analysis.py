"""One film of the spool through the network: the same reading as `POST /explain`, then the objects that a PACS gets."""

import asyncio
import io
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from sqlalchemy import Engine

from imaging.dicom.attributes import text
from imaging.limits import BoundedReader, DecodeLimits, parsing
from schemas.analysis import AnalysisRecord, ExplainedFinding
from schemas.errors import InvalidImageError
from schemas.preprocess import PreprocessSpec
from schemas.version import VERSION
from service.audit.accounts import SPOOL, audited_reading
from service.dicomweb.spool import Claim, Spool
from service.dicomweb.tables import SOURCE
from service.models.live import LiveBundle, ServingBundles
from service.reading.explain import ExplainedFilm, Question, explain_reading
from service.reading.predict import HeatMapRequest, Reading, read_film
from service.reading.prepare import PreparedFilm, Upload
from service.results.objects import result_objects
from service.services import Services

SEXES: Final = ("F", "M", "O")
"""Values of PatientSex, PS3.3 C.7.1.1."""


@dataclass(frozen=True, slots=True)
class FilmAlong:
    """An answered film, as it waits for the bundle that reads along."""

    sop_instance_uid: str
    film: PreparedFilm
    prepared_for: PreprocessSpec
    active_sha256: str
    """Of the bundle that answered it."""
    sex: str
    """M, F or O; empty: the film does not state it."""


class ReadsAlong(Protocol):
    """A bundle that reads films once they are answered, and answers nobody."""

    @property
    def live(self) -> LiveBundle | None:
        """For which films are prepared; None: for nobody now."""
        ...

    def offer(self, film: FilmAlong) -> None:
        """Let a film wait; it neither waits itself nor raises."""
        ...

    def reading(self, engine: Engine) -> AbstractAsyncContextManager[None]:
        """Read what is offered, and keep the answers in this database, until the end."""
        ...


async def analyse(
    claim: Claim, services: Services, spool: Spool, along: ReadsAlong | None = None, *, keep_objects: bool
) -> None:
    """Read the film, and keep the results instead of it.

    Args:
        claim: a film in state `received`.
        services: what reads it.
        spool: where the results wait.
        along: who reads the film too, once it is answered; None: nobody.
        keep_objects: whether they will be delivered; else the record alone is kept.

    Raises:
        CxrError: the film is refused, the network failed on it, or it cannot be recorded.
    """
    content = claim.payloads[SOURCE]
    with services.deployments.held() as serving:
        bundles = replace(serving, challenger=None if along is None else along.live)
        work = partial(_read, claim, services, bundles, Upload(content, "application/dicom"))
        result = await audited_reading(services.audit, SPOOL, content, bundles.only_reference, work)
    reading, explained = (result.reading, result) if isinstance(result, ExplainedFilm) else (result, None)
    record, objects, sex = await asyncio.get_running_loop().run_in_executor(
        services.decode_lanes.of(claim.priority), _results, content, reading, explained
    )
    is_ours = await asyncio.to_thread(
        spool.analysed,
        claim,
        model_sha256=bundles.digest,
        record=record.model_dump_json(),
        objects=objects if keep_objects else {},
    )
    if is_ours and along is not None and bundles.challenger is not None and reading.for_challenger is not None:
        spec = bundles.challenger.loaded.manifest.preprocess
        uid = claim.sop_instance_uid
        along.offer(FilmAlong(uid, reading.for_challenger, spec, reading.model.sha256, sex))


async def _read(claim: Claim, services: Services, bundles: ServingBundles, upload: Upload) -> Reading | ExplainedFilm:
    priority = claim.priority
    reading = await read_film(services, bundles, upload, priority=priority, heat_map=HeatMapRequest(None))
    if reading.live.loaded.explanations.backend is None:
        return reading
    return await explain_reading(services, reading, Question(finding=None, method="gradcam", priority=priority))


def _results(
    content: bytes, reading: Reading, explained: ExplainedFilm | None
) -> tuple[AnalysisRecord, Mapping[str, bytes], str]:
    with parsing("DICOM data set"):
        # What follows the pixels is in no result: 2 MB of empty items there took 6.8 s to parse.
        source = dcmread(BoundedReader(content, DecodeLimits().max_reads), stop_before_pixels=True)
    record = _record(source, reading, explained)
    built = result_objects(source, record, None if explained is None else explained.heat_map)
    objects = (built.sr, built.secondary_capture, built.presentation_state)
    files = {str(each.SOPInstanceUID): _file(each) for each in objects if each is not None}
    return record, files, _sex_of(source)


def _sex_of(source: Dataset) -> str:
    """Empty where it is not stated, or cannot be read: nothing but a comparison of bundles depends on it."""
    try:
        sex = text(source, "PatientSex")
    except InvalidImageError:
        return ""
    return sex if sex in SEXES else ""


def _record(source: Dataset, reading: Reading, explained: ExplainedFilm | None) -> AnalysisRecord:
    manifest = reading.live.loaded.manifest
    explanation = None
    if explained is not None:
        center = explained.explanation.center_of_mass
        explanation = ExplainedFinding(finding=explained.finding, method=explained.method, center_of_mass=center)
    return AnalysisRecord(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=source.SeriesInstanceUID,
        sop_instance_uid=source.SOPInstanceUID,
        sop_class_uid=source.SOPClassUID,
        analysed_at=datetime.now(UTC),
        software_version=VERSION,
        model=reading.model,
        route=reading.route,
        activation=manifest.activation,
        negative_class=manifest.negative_class,
        operating_points=manifest.calibration.operating_points,
        prediction=reading.prediction,
        image=reading.image_facts,
        explanation=explanation,
    )


def _file(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
