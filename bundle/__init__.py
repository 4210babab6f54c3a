"""A bundle on disk, for the exporter and the service: one copy of everything that both must do in the same way.

`files` writes files that are whole or absent, `opening` checks hashes, `session` runs the graph in ONNX Runtime, `golden` is
the self-test, `signature` says who vouches, `shipping` adds the bundles that came with the software to a folder in use. Not
here: torch, HTTP, and what a manifest must say (`schemas.model.manifest`).
"""
