"""One film of the spool through the network: the same reading as `POST /explain`, then the objects that a PACS gets."""

import asyncio
import io
from collections.abc import Mapping
from datetime import UTC, datetime

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from imaging.limits import parsing
from imaging.overlay import HeatMap
from schemas.analysis import AnalysisRecord
from service.dicomweb.spool import Claim, Spool
from service.dicomweb.tables import SOURCE
from service.explanation import Question, explain_film
from service.reading import Reading, read_film
from service.results.objects import result_objects
from service.serving import Service, Serving
from service.uploads import Upload


async def analyse(claim: Claim, service: Service, spool: Spool, *, keep_objects: bool) -> None:
    """Read the film, and keep what was found instead of it.

    Args:
        claim: a film in state `received`.
        service: who reads it.
        spool: where the results wait.
        keep_objects: whether they will be delivered; else the record alone is kept.

    Raises:
        CxrError: the film is refused, or the network failed on it.
    """
    serving = service.ready()
    content = claim.payloads[SOURCE]
    reading, heat_map = await _read(claim, service, serving, Upload(content, "application/dicom"))
    record, objects = await asyncio.get_running_loop().run_in_executor(
        service.decode_pool, _results, content, serving, reading, heat_map
    )
    await asyncio.to_thread(
        spool.analysed,
        claim,
        model_sha256=serving.loaded.reference.sha256,
        record=record.model_dump_json(),
        objects=objects if keep_objects else {},
    )


async def _read(claim: Claim, service: Service, serving: Serving, upload: Upload) -> tuple[Reading, HeatMap | None]:
    if serving.loaded.bundle.manifest.graph.cam_grid is None:
        return await read_film(service, serving, upload, priority=claim.priority, target=None), None
    question = Question(finding=None, method="gradcam", priority=claim.priority)
    explained = await explain_film(service, serving, upload, question)
    return explained.reading, explained.heat_map


def _results(
    content: bytes, serving: Serving, reading: Reading, heat_map: HeatMap | None
) -> tuple[AnalysisRecord, Mapping[str, bytes]]:
    with parsing("DICOM data set"):
        source = dcmread(io.BytesIO(content), stop_before_pixels=True)
    record = AnalysisRecord(
        study_instance_uid=source.StudyInstanceUID,
        sop_instance_uid=source.SOPInstanceUID,
        sop_class_uid=source.SOPClassUID,
        analysed_at=datetime.now(UTC),
        model=serving.loaded.reference,
        prediction=reading.prediction,
        image=reading.image_facts,
    )
    built = result_objects(source, record, heat_map)
    objects = [made for made in (built.sr, built.secondary_capture, built.presentation_state) if made is not None]
    return record, {str(made.SOPInstanceUID): _file(made) for made in objects}


def _file(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
