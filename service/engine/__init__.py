"""One network at work: the ONNX Runtime engine, its batcher, and heat maps."""
