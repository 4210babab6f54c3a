"""Results to the PACS: what it has already is not sent again, however an earlier attempt ended."""

import asyncio
import io
from collections.abc import Mapping

from pydicom import dcmread

from service.dicomweb.pacs import Archive
from service.dicomweb.spool import Claim, Spool
from service.metrics import Metrics


async def deliver(claim: Claim, spool: Spool, archive: Archive, metrics: Metrics) -> None:
    """See to it that the archive has the film's result objects.

    Raises:
        PacsUnreachableError: it is not known whether all are there; to be tried again.
        PacsRefusedError: the archive will not have them.
    """
    studies = await asyncio.to_thread(_by_study, claim)
    sent = [await archive.bring(study, objects) for study, objects in studies.items()]
    await asyncio.to_thread(spool.delivered, claim)
    metrics.pacs_deliveries.labels("delivered" if any(sent) else "already_there").inc()


def _by_study(claim: Claim) -> Mapping[str, Mapping[str, bytes]]:
    """The objects of each study, the film's own first: what is withdrawn may be of the study that it was in before."""
    if not claim.older and claim.state == "analysed":
        return {claim.study_instance_uid: claim.payloads}
    studies: dict[str, dict[str, bytes]] = {}
    for uid, content in claim.payloads.items():
        header = dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
        studies.setdefault(str(header.StudyInstanceUID), {})[uid] = content
    return dict(sorted(studies.items(), key=lambda pair: pair[0] != claim.study_instance_uid))
