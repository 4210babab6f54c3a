"""One film of the spool through the network: the same reading as `POST /explain`, then the objects that a PACS gets."""

import asyncio
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from imaging.limits import BoundedReader, DecodeLimits, parsing
from schemas.analysis import AnalysisRecord, ExplainedFinding
from service.audit.accounts import SPOOL, film
from service.dicomweb.spool import Claim, Spool
from service.dicomweb.tables import SOURCE
from service.models.live import Serving
from service.reading.explain import ExplainedFilm, Question, explain_film
from service.reading.predict import Reading, Upload, read_film
from service.results.objects import result_objects
from service.services import Service


async def analyse(claim: Claim, service: Service, spool: Spool, *, keep_objects: bool) -> None:
    """Read the film, and keep what was found instead of it.

    Args:
        claim: a film in state `received`.
        service: who reads it.
        spool: where the results wait.
        keep_objects: whether they will be delivered; else the record alone is kept.

    Raises:
        CxrError: the film is refused, the network failed on it, or it cannot be recorded.
    """
    content = claim.payloads[SOURCE]
    with service.deployment.ready().held() as serving:
        work = partial(_explain, claim, service, serving, Upload(content, "application/dicom"))
        found = await film(service.audit, SPOOL, content, serving.loaded.reference, work)
    reading, explained = (found.reading, found) if isinstance(found, ExplainedFilm) else (found, None)
    record, objects = await asyncio.get_running_loop().run_in_executor(
        service.decode_lanes.of(claim.priority), _results, content, serving, reading, explained
    )
    await asyncio.to_thread(
        spool.analysed,
        claim,
        model_sha256=record.model.sha256,
        record=record.model_dump_json(),
        objects=objects if keep_objects else {},
    )


async def _explain(claim: Claim, service: Service, serving: Serving, upload: Upload) -> Reading | ExplainedFilm:
    if serving.loaded.explanations.backend is None:
        return await read_film(service, serving, upload, priority=claim.priority, target=None)
    question = Question(finding=None, method="gradcam", priority=claim.priority)
    return await explain_film(service, serving, upload, question)


def _results(
    content: bytes, serving: Serving, reading: Reading, explained: ExplainedFilm | None
) -> tuple[AnalysisRecord, Mapping[str, bytes]]:
    with parsing("DICOM data set"):
        # What follows the pixels is in no result: 2 MB of empty items there took 6.8 s to parse.
        source = dcmread(BoundedReader(content, DecodeLimits().max_reads), stop_before_pixels=True)
    record = _record(source, serving, reading, explained)
    built = result_objects(source, record, None if explained is None else explained.heat_map)
    objects = [made for made in (built.sr, built.secondary_capture, built.presentation_state) if made is not None]
    return record, {str(made.SOPInstanceUID): _file(made) for made in objects}


def _record(source: Dataset, serving: Serving, reading: Reading, explained: ExplainedFilm | None) -> AnalysisRecord:
    manifest = serving.loaded.bundle.manifest
    explanation = None
    if explained is not None:
        shown = explained.explanation
        explanation = ExplainedFinding(finding=shown.finding, method=shown.method, center_of_mass=shown.center_of_mass)
    return AnalysisRecord(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=source.SeriesInstanceUID,
        sop_instance_uid=source.SOPInstanceUID,
        sop_class_uid=source.SOPClassUID,
        analysed_at=datetime.now(UTC),
        model=serving.loaded.reference,
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
