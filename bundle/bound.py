"""Runs with buffers that stay: one set for each size of a batch, bound once, on the device of the provider.

A GPU replays a captured CUDA graph only with the addresses and shapes of its capture. So films are copied into buffers
that were allocated once, and a batch whose size is none of the buckets is padded to the next one.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bundle.providers import CUDA, Hardware
from schemas.errors import InferenceError

GRAPH_ID: Final = "gpu_graph_id"
"""Entry of the run options: which captured graph a run captures or replays; -1: none. 0 is ONNX Runtime's own."""
NO_GRAPH: Final = "-1"
PADDING_TARGET: Final = -1
"""Of the films that fill a bucket: their outputs are thrown away."""


@dataclass(frozen=True, slots=True)
class Buffers:
    """What one bucket and one choice of outputs run with; its runs follow one another."""

    size: int
    graph_id: int
    image: ort.OrtValue  # float32 [size, 1, S, S]
    target: ort.OrtValue  # int64 [size]
    binding: ort.IOBinding
    staging: NDArray[np.float32]  # [size, 1, S, S], in memory of the host
    targets: NDArray[np.int64]  # [size]
    turn: threading.Lock


class BoundRuns:
    """Runs of one session whose inputs lie in buffers of the device.

    Invariant: the buffers of a bucket are allocated once, and used by one run at a time. A graph id belongs to one
    bucket and one choice of outputs: ONNX Runtime replays whatever was captured by it.
    """

    def __init__(self, session: ort.InferenceSession, hardware: Hardware) -> None:
        """Nothing is allocated yet.

        Args:
            session: of a graph with the inputs `image` and `target`, opened for this hardware.
            hardware: its buckets, side, and whether each bucket is captured as a CUDA graph.
        """
        self._session = session
        self._side = hardware.side
        self._buckets = hardware.buckets
        self._device = hardware.device
        self._graphs = hardware.options.runs == "graphs"
        self._buffers: dict[tuple[int, tuple[str, ...]], Buffers] = {}
        # One for all where graphs are captured: ONNX Runtime does not capture or replay in several threads at once.
        self._turn_of_all = threading.Lock() if self._graphs else None
        self._making = threading.Lock()

    def bucket(self, films: int) -> int:
        """The size that a batch of so many films is run with.

        Raises:
            InferenceError: it is larger than the largest bucket.
        """
        size = next((size for size in self._buckets if size >= films), None)
        if size is None:
            msg = f"a batch of {films} films is larger than the largest bucket {self._buckets[-1]}"
            raise InferenceError(msg)
        return size

    def run(
        self,
        image: NDArray[np.float32],
        target: NDArray[np.int64],
        outputs: Sequence[str],
        options: ort.RunOptions,
    ) -> list[NDArray[np.float32]]:
        """Compute outputs of a batch.

        Args:
            image: [N, 1, S, S]; N is at most the largest bucket.
            target: [N].
            outputs: their names.
            options: of this run.

        Raises:
            InferenceError: the batch is too large, or of another size than the network's input.
        """
        films = len(image)
        if image.shape[1:] != (1, self._side, self._side):
            msg = f"films of {image.shape[1:]} do not fit the buffers of a network with the side {self._side}"
            raise InferenceError(msg)
        with self._turn(self.bucket(films), tuple(outputs)) as buffers:
            buffers.staging[:films] = image
            buffers.staging[films:] = 0
            buffers.targets[:films] = target
            buffers.targets[films:] = PADDING_TARGET
            buffers.image.update_inplace(buffers.staging)
            buffers.target.update_inplace(buffers.targets)
            options.add_run_config_entry(GRAPH_ID, str(buffers.graph_id) if self._graphs else NO_GRAPH)
            self._session.run_with_iobinding(buffers.binding, options)
            # Copies: the next run of this bucket writes over the buffers.
            return [np.array(array[:films]) for array in buffers.binding.copy_outputs_to_cpu()]

    @contextmanager
    def _turn(self, size: int, outputs: tuple[str, ...]) -> Iterator[Buffers]:
        with self._making:
            buffers = self._buffers.get((size, outputs))
            if buffers is None:
                turn = self._turn_of_all or threading.Lock()
                with turn:
                    buffers = self._made(size, outputs, len(self._buffers) + 1, turn)
                self._buffers[size, outputs] = buffers
        with buffers.turn:
            yield buffers

    def _made(self, size: int, outputs: tuple[str, ...], graph_id: int, turn: threading.Lock) -> Buffers:
        staging = self._host_buffer((size, 1, self._side, self._side), np.float32)
        targets = self._host_buffer((size,), np.int64)
        staging[:] = 0
        targets[:] = PADDING_TARGET
        image = ort.OrtValue.ortvalue_from_numpy(staging, self._device, 0)
        target = ort.OrtValue.ortvalue_from_numpy(targets, self._device, 0)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("image", image)
        binding.bind_ortvalue_input("target", target)
        self._bind_outputs(binding, outputs, {"image": staging, "target": targets})
        return Buffers(size, graph_id, image, target, binding, staging, targets, turn)

    def _host_buffer(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """Memory of the host from which the device copies: pinned where ONNX Runtime offers such, else pageable."""
        info = pinned_memory() if self._device == "cuda" else None
        if info is None:
            return np.empty(shape, dtype)
        view: NDArray[Any] = ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype, memory_info=info).numpy()
        return view  # it keeps its memory alive

    def _bind_outputs(
        self, binding: ort.IOBinding, outputs: tuple[str, ...], example: Mapping[str, NDArray[np.generic]]
    ) -> None:
        """Outputs into buffers of the device; their shapes are learned by one run, outside of any graph."""
        options = ort.RunOptions()
        options.add_run_config_entry(GRAPH_ID, NO_GRAPH)
        for name, array in zip(outputs, self._session.run(list(outputs), dict(example), options), strict=True):
            binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array, self._device, 0))


def pinned_memory() -> ort.OrtMemoryInfo | None:
    """Where the CUDA provider allocates memory of the host that its device reads directly; None: it offers none."""
    devices = (device for device in ort.get_ep_devices() if device.ep_name == CUDA)
    return next((device.memory_info(ort.OrtDeviceMemoryType.HOST_ACCESSIBLE) for device in devices), None)
