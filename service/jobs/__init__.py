"""Large backfills: jobs of thousands of films, from the PACS or an archive, that are read while nothing else is.

`register` knows jobs and the state of their films, `claims` is the queue that brings films into the spool, `ending`
notes what came of them, `retrieval` asks the PACS, `archive` reads files, `jobs` puts it together. The films are
analysed and delivered by the loops of `service.dicomweb`, with the priority below all others.
"""
