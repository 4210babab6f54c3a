"""Bytes to radiograph `[H, W]` to network input `[1, S, S]`, the one path for training and serving; it refuses to know models and HTTP."""
