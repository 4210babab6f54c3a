"""`POST /film`: the film itself as it was decoded, for viewers that cannot read what a hospital sends."""

import asyncio
import time
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response

from imaging.decode import DecodeLimits, decode
from imaging.graymap import LONGEST_SIDE, graymap
from service.capacity.admission import Priority
from service.http.errors import DECODE_FAILURES, REQUEST_FAILURES, documented
from service.http.films import receive_films, request_body
from service.http.request_options import CallersTerms, while_caller_waits
from service.reading.predict import Upload
from service.security.authentication import Requires
from service.services import CurrentService, Service

GRAYMAP: Final = "image/x-portable-graymap"
ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": f"binary PGM (P5) at the film's own depth, at most {LONGEST_SIDE} pixels on its longer side",
        "content": {GRAYMAP: {"schema": {"type": "string", "format": "binary"}}},
    }
}

router = APIRouter(tags=["radiographs"], dependencies=[Depends(Requires("predict"))])


@router.post(
    "/film",
    summary="Decode one radiograph",
    response_class=Response,
    responses=ANSWER | documented(*REQUEST_FAILURES, *DECODE_FAILURES),
    openapi_extra=request_body("file", repeated=False),
)
async def film(request: Request, service: CurrentService, terms: CallersTerms) -> Response:
    """Bright is dense, whatever the file's photometric interpretation; nothing but the pixels survives."""
    async with terms.deadline(service.metrics):
        (upload,) = await receive_films(request, service, terms, part="file", at_most=1)
        with service.admission.admit(1, terms.priority):
            body = await while_caller_waits(request, _decoded(service, upload, terms.priority))
    return Response(body, media_type=GRAYMAP)


async def _decoded(service: Service, upload: Upload, priority: Priority) -> bytes:
    lane = service.decode_lanes.of(priority)
    return await asyncio.get_running_loop().run_in_executor(lane, _graymap, service, upload)


def _graymap(service: Service, upload: Upload) -> bytes:
    start = time.perf_counter()
    radiograph = decode(
        upload.data,
        declared_type=upload.declared_type,
        limits=DecodeLimits(max_pixels=service.settings.max_pixels),
        min_side=LONGEST_SIDE // 2,  # a JPEG's short side stays at least twice as long
        frame_decoder=service.frame_decoder,
    )
    service.metrics.stage_duration.labels("decode").observe(time.perf_counter() - start)
    return graymap(radiograph)
