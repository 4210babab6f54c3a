"""Deliveries to whom CXR_DESTINATIONS names, in addition to the PACS: a durable outbox in the spool's database."""
