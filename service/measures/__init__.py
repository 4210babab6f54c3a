"""Metrics of single parts of the service, each beside none of the others; `service.metrics` holds them all."""
