"""Trained networks become ONNX bundles with Grad-CAM inside the graph; there is no HTTP here."""
