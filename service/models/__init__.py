"""Bundles in service: finding, loading, proving, swapping and holding them."""
