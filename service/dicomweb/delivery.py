"""Results to the PACS: what it has already is not sent again, however an earlier attempt ended."""

import asyncio

from service.dicomweb.pacs import Archive
from service.dicomweb.spool import Claim, Spool
from service.metrics import Metrics


async def deliver(claim: Claim, spool: Spool, archive: Archive, metrics: Metrics) -> None:
    """Store the film's result objects in the archive, except those that it has.

    It is asked before every attempt: this process may have died, or the connection, after the
    archive stored an earlier one.

    Raises:
        PacsUnreachableError: it is not known whether all are there; to be tried again.
        PacsRefusedError: the archive will not have them.
    """
    there = await asyncio.gather(*(archive.has(claim.study_instance_uid, uid) for uid in claim.payloads))
    missing = [content for content, is_there in zip(claim.payloads.values(), there, strict=True) if not is_there]
    if missing:
        await archive.store(missing)
    await asyncio.to_thread(spool.delivered, claim)
    metrics.pacs_deliveries.labels("delivered" if missing else "already_there").inc()
