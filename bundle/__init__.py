"""A bundle on disk: files that are whole or absent, opening and hash checks, the ONNX session, the golden self-test, signatures; no torch, no HTTP."""
