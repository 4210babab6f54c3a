"""Two versions of the shipped bundle whose networks answer differently, so that each answer shows who computed it."""

import json
import shutil
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from schemas.model.manifest import CURRENT, GOLDEN, GRAPH, MANIFEST

DIMMED = 0.98
"""What the second network multiplies each film with: enough to move every probability."""


def two_versions(folder: Path, shipped: Path = Path("models")) -> Path:
    """A models directory with the shipped bundle, which serves, and a second one, which passes its own self-test."""
    models = folder / "models"
    shutil.copytree(shipped, models)
    first = models / (models / CURRENT).read_text().strip()
    second = models / other_version(models, str(first.relative_to(models)))
    shutil.copytree(first, second)
    manifest = json.loads((second / MANIFEST).read_text())
    graph = _dimmed(onnx.load(second / GRAPH))
    changed = {GRAPH: graph, GOLDEN: _golden(second / GOLDEN, graph)}
    for name, content in changed.items():
        (second / name).write_bytes(content)
        manifest["files"][name] = {"sha256": sha256(content).hexdigest(), "size_bytes": len(content)}
    (second / MANIFEST).write_text(json.dumps(manifest | {"version": second.name}))
    return models


def other_version(models: Path, address: str) -> str:
    """The address of the other version of the two."""
    name, version = address.split("/")
    others = [path.name for path in sorted((models / name).iterdir()) if path.name != version]
    return f"{name}/{others[-1] if others else version + '.1'}"


def _dimmed(model: onnx.ModelProto) -> bytes:
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["dimmed" if name == "image" else name for name in node.input]
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(DIMMED, np.float32), "dimming"))
    graph.node.insert(0, onnx.helper.make_node("Mul", ["image", "dimming"], ["dimmed"]))
    content: bytes = model.SerializeToString()
    return content


def _golden(path: Path, graph: bytes) -> bytes:
    """The golden films with what the graph says about them."""
    with np.load(path, allow_pickle=False) as stored:
        arrays: dict[str, NDArray[Any]] = dict(stored)
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs() if output.name in arrays]
    films = zip(arrays["inputs"], arrays["targets"], strict=True)
    runs = [session.run(names, {"image": film[np.newaxis], "target": target[np.newaxis]}) for film, target in films]
    arrays |= {name: np.concatenate(outputs) for name, outputs in zip(names, zip(*runs, strict=True), strict=True)}
    stream = BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()
