"""A year of a hospital on a virtual clock: the service's own metrics, planted causes, and what Prometheus sees."""
