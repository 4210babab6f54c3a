"""Bundles to HTTP answers; it refuses to know training and torch."""
