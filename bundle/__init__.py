"""A bundle on disk, for the exporter and the service: one copy of everything that both must do in the same way.

`files` writes files that are whole or absent, `opening` checks hashes, `session` runs the graph in ONNX Runtime,
`golden` holds the self-test, `signature` checks who has signed, and `shipping` adds the bundles that came with the
software to a folder in use. Torch and HTTP are not here, nor the contents of a manifest (`schemas.model.manifest`).
"""
