"""ONNX graphs: tracing, Grad-CAM inside the graph, foreign graphs, fp16 and int8."""
