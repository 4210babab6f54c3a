"""An exported graph, loaded by ONNX Runtime on the CPU."""

import os
from collections.abc import Callable, Mapping

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from schemas.errors import BundleError

Outputs = Mapping[str, NDArray[np.float32]]
Run = Callable[[NDArray[np.float32], NDArray[np.int64]], Outputs]
"""Films [N, 1, S, S] and targets [N] to every output of `schemas.bundle.GraphContract`."""

_ORT_ERRORS = tuple(
    error for error in vars(ort_errors).values() if isinstance(error, type) and issubclass(error, Exception)
)


class Graph:
    """A session that was made from bytes: weights outside the file cannot be reached."""

    def __init__(self, content: bytes, *, intra_op_threads: int = 0, optimized: bool = True) -> None:
        """Load the graph.

        Args:
            content: the ONNX file.
            intra_op_threads: 0: one for each core.
            optimized: False: run node by node as the file has it, nothing fused.

        Raises:
            BundleError: ONNX Runtime refuses it.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        if not optimized:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3  # errors; warnings tell of fused nodes
        # Without this, ONNX Runtime looks for weights outside the bytes in the working directory.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        try:
            self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except _ORT_ERRORS as error:
            msg = f"ONNX Runtime refuses the graph: {str(error).splitlines()[0]}; export it again"
            raise BundleError(msg) from error
        self._names = [entry.name for entry in self._session.get_outputs()]

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says about itself."""
        metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return metadata

    def run(self, image: NDArray[np.float32], target: NDArray[np.int64]) -> Outputs:
        """See `Run`."""
        values = self._session.run(self._names, {"image": image, "target": target})
        return dict(zip(self._names, values, strict=True))


def largest_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest absolute difference; infinite where a value is not a number or the shapes are not the same."""
    if found.shape != expected.shape:
        return np.inf
    largest = float(np.abs(found - expected).max())
    return np.inf if np.isnan(largest) else largest
