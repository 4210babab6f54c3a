"""Networks that were trained elsewhere become bundles: their preprocessing, their films, the adoption itself."""
