"""Trained networks to ONNX bundles with Grad-CAM inside the graph; it refuses to know HTTP."""
