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
from schemas.delivery import OBJECTS, DeliveryPolicy, draws
from schemas.version import VERSION
from service.audit.accounts import SPOOL, audited_reading
from service.dicomweb.spool import Claim, Spool
from service.dicomweb.tables import SOURCE
from service.models.live import ServingBundles
from service.reading.explain import ExplainedFilm, Question, explain_reading
from service.reading.predict import HeatMapRequest, Reading, read_film
from service.reading.prepare import Upload
from service.results.objects import result_objects
from service.services import Services


async def analyse(
    claim: Claim, services: Services, spool: Spool, *, policy: DeliveryPolicy, keep_objects: bool
) -> None:
    """Read the film, and keep the results instead of it.

    Args:
        claim: a film in state `received`.
        services: what reads it.
        spool: where the results wait.
        policy: which objects are written about it.
        keep_objects: whether they will be delivered; else the record alone is kept.

    Raises:
        CxrError: the film is refused, the network failed on it, or it cannot be recorded.
    """
    content = claim.payloads[SOURCE]
    with services.deployments.held() as bundles:
        work = partial(_read, claim, services, bundles, policy)
        result = await audited_reading(services.audit, SPOOL, content, bundles.only_reference, work)
    reading, explained = (result.reading, result) if isinstance(result, ExplainedFilm) else (result, None)
    record, objects = await asyncio.get_running_loop().run_in_executor(
        services.decode_lanes.of(claim.priority), _results, content, reading, explained, policy
    )
    await asyncio.to_thread(
        spool.analysed,
        claim,
        model_sha256=bundles.digest,
        record=record.model_dump_json(),
        objects=objects if keep_objects else {},
    )


async def _read(
    claim: Claim, services: Services, bundles: ServingBundles, policy: DeliveryPolicy
) -> Reading | ExplainedFilm:
    """The film's reading, and where its results show one, its heat map: of a finding, never of none."""
    priority = claim.priority
    upload = Upload(claim.payloads[SOURCE], "application/dicom")
    reading = await read_film(services, bundles, upload, priority=priority, heat_map=HeatMapRequest(None))
    if reading.live.loaded.explanations.backend is None or not draws(policy.of(reading.prediction)):
        return reading
    question = Question(finding=None, method="gradcam", priority=priority, findings_alone=True)
    return await explain_reading(services, reading, question)


def _results(
    content: bytes, reading: Reading, explained: ExplainedFilm | None, policy: DeliveryPolicy
) -> tuple[AnalysisRecord, Mapping[str, bytes]]:
    with parsing("DICOM data set"):
        # What follows the pixels is in no result: 2 MB of empty items there took 6.8 s to parse.
        source = dcmread(BoundedReader(content, DecodeLimits().max_reads), stop_before_pixels=True)
    objects_of_film = policy.of(reading.prediction)
    delivery = tuple(each for each in OBJECTS if each in objects_of_film)
    record = _record(source, reading, explained).model_copy(update={"delivery": delivery})
    built = result_objects(source, record, None if explained is None else explained.heat_map)
    objects = (built.sr, built.secondary_capture, built.presentation_state)
    return record, {str(each.SOPInstanceUID): _file(each) for each in objects if each is not None}


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
