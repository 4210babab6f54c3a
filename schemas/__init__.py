"""The data contracts that the trainer, the exporter and the service share; they refuse to know pixels, HTTP and torch."""
