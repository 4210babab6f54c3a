"""The sizes of a graph, as the manifest states them."""

import onnx

from schemas.model.manifest import GraphContract


def graph_contract(
    model: onnx.ModelProto, *, cam_layer: str, max_batch: int, fine_layer: str | None = None
) -> GraphContract:
    """Read the contract of a graph off its outputs.

    Args:
        model: with the outputs of `GraphContract`.
        cam_layer: the layer that is explained; `none` where nothing is.
        max_batch: the largest batch that a gate has tried.
        fine_layer: the earlier layer that the output `layercam` explains, where the graph has it.
    """
    sizes = {
        output.name: [size.dim_value for size in output.type.tensor_type.shape.dim] for output in model.graph.output
    }
    _, *grid = sizes.get("gradcam", [0])
    _, *fine = sizes.get("layercam", [0])
    return GraphContract(
        opset=max(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}),
        embedding_size=sizes["embedding"][1],
        cam_layer=cam_layer,
        cam_grid=(grid[0], grid[1]) if grid else None,
        fine_layer=fine_layer if fine else None,
        fine_grid=(fine[0], fine[1]) if fine else None,
        max_batch=max_batch,
    )
