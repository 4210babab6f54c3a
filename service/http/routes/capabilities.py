"""`GET /capabilities`: which images are read, in which formats and within which limits; for integrators."""

from typing import Final

from fastapi import APIRouter, Depends

from imaging.dicom.decode import MODALITIES
from imaging.dicom.pixel_data import COLOUR, GRAY
from imaging.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, name_of
from schemas.serving import Capabilities, CapabilityLimits, TransferSyntaxFacts
from service.dicomweb.instance import FILM_CLASSES
from service.http.authorization import Requires
from service.http.current import CurrentServices, OptionalIntake
from service.http.errors import GATE_FAILURES, documented
from service.http.routes.pages import SAMPLE_ADDRESS, sample_film

FILM_TYPES: Final = ("image/jpeg", "image/png", "application/dicom")

router = APIRouter(tags=["radiographs"], dependencies=[Depends(Requires("predict", reads=True))])


@router.get(
    "/capabilities",
    operation_id="get_capabilities",
    summary="The images that are read",
    responses=documented(*GATE_FAILURES),
)
async def capabilities(services: CurrentServices, intake: OptionalIntake) -> Capabilities:
    """Formats, syntaxes and limits, from the same tables by which images are decoded."""
    limits = services.limits
    syntaxes = tuple(
        TransferSyntaxFacts(name=name_of(uid), uid=str(uid), lossless=syntax.lossless)
        for uid, syntax in TRANSFER_SYNTAXES.items()
    )
    return Capabilities(
        media_types=FILM_TYPES,
        modalities=MODALITIES,
        photometric_interpretations=(*GRAY, *COLOUR),
        transfer_syntaxes=syntaxes,
        stored_sop_classes=() if intake is None else FILM_CLASSES,
        limits=CapabilityLimits(
            max_body_bytes=limits.max_body_bytes,
            max_pixels=limits.max_pixels,
            max_batch_items=limits.max_batch_items,
            max_queue=limits.max_queue,
            deadline_ms=limits.deadline_ms,
            decode_timeout_s=services.decode.timeout_s,
        ),
        sample=None if sample_film() is None else SAMPLE_ADDRESS,
    )
