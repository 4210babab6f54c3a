"""`POST /film`: the image itself as it was decoded, for viewers that cannot read what a hospital sends."""

import asyncio
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Depends, Response

from imaging.graymap import LONGEST_SIDE, graymap
from service.capacity.admission import Priority
from service.films.look import Upload
from service.http.authorization import Requires
from service.http.errors import DECODE_FAILURES, REQUEST_FAILURES, documented
from service.http.film_request import CurrentFilmRequest
from service.http.parameters import described
from service.http.request_body import request_body
from service.http.request_options import OPTIONS
from service.services import Services

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
    operation_id="decode_image",
    summary="Decode one radiograph",
    response_class=Response,
    responses=ANSWER | documented(*REQUEST_FAILURES, *DECODE_FAILURES),
    openapi_extra=request_body("file", repeated=False) | described(*OPTIONS),
)
async def film(request: CurrentFilmRequest) -> Response:
    """Bright is dense, whatever the file's photometric interpretation; nothing but the pixels survives."""
    films = await request.receive()
    body = await films.work(partial(_graymap_of, request.services, request.options.priority))
    return Response(body, media_type=GRAYMAP)


async def _graymap_of(services: Services, priority: Priority, upload: Upload) -> bytes:
    lane = services.decode_lanes.of(priority)
    return await asyncio.get_running_loop().run_in_executor(lane, _graymap, services, priority, upload)


def _graymap(services: Services, priority: Priority, upload: Upload) -> bytes:
    # A JPEG's short side stays at least twice as long as what is shown.
    with services.decode_budget.share(urgent=priority == "stat") as reserve:
        radiograph, decode_s = services.decoding.decoded(upload, min_side=LONGEST_SIDE // 2, reserve=reserve)
        services.metrics.stage_duration.labels("decode").observe(decode_s)
        pixels = graymap(radiograph)
        del radiograph  # before its share is given back
    return pixels
