"""Films to trained, calibrated and honestly judged networks; it refuses to know ONNX and HTTP."""
