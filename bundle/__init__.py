"""A bundle on disk, for the exporter and the service: one copy of everything that both must do in the same way.

`files` writes files that are whole or absent, `opening` checks hashes, `session` runs the graph in ONNX Runtime,
`golden` holds the self-test, `signature` checks who has signed, `shipping` adds the bundles that came with the software
to a folder in use, and `stores` brings bundles from registries and object stores. Torch and FastAPI are not here, nor
the contents of a manifest (`schemas.model.manifest`).
"""

import os

# Before ONNX Runtime is imported: it would write what it runs, and on what, to a file of the user's, and send that to
# its makers. What a hospital computes is nobody else's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
