"""Bytes become a radiograph `[H, W]` and that a network input `[1, S, S]`: the one path for training and serving.

Also here: quality checks, overlays, de-identification. Not here: models and HTTP.
"""
