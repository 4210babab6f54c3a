"""Results to the PACS: what it has already is not sent again, however an earlier attempt ended."""

import asyncio

from service.dicomweb.pacs import Archive
from service.dicomweb.spool import Claim, Spool
from service.metrics import Metrics


async def deliver(claim: Claim, spool: Spool, archive: Archive, metrics: Metrics) -> None:
    """See to it that the archive has the film's result objects.

    Raises:
        PacsUnreachableError: it is not known whether all are there; to be tried again.
        PacsRefusedError: the archive will not have them.
    """
    sent = await archive.bring(claim.study_instance_uid, claim.payloads)
    await asyncio.to_thread(spool.delivered, claim)
    metrics.pacs_deliveries.labels("delivered" if sent else "already_there").inc()
