"""The execution providers of a session and their options, as data: what ONNX Runtime gets to know of the hardware."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import onnxruntime as ort

from schemas.errors import SettingsError
from schemas.tuning import GpuRuns, Provider

ExecutionProvider = tuple[str, dict[str, str]]
"""The name by which ONNX Runtime knows it, and its options."""

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
TENSORRT: Final = "TensorrtExecutionProvider"

NAMES: Final[dict[Provider, str]] = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}


@dataclass(frozen=True, slots=True)
class GpuOptions:
    """How a graph runs on a GPU; nothing of it means anything to a CPU but `runs`, which tests use there."""

    runs: GpuRuns = "plain"
    """plain: ONNX Runtime allocates for each run; bound: buffers stay (`bundle.bound`); graphs: each bucket is captured
    as a CUDA graph in addition, one launch for a run instead of one for each kernel."""
    fp16: bool = False
    """TensorRT may compute in half precision. On CUDA a graph of the bundle in fp16 does that."""
    engine_cache: Path | None = None
    """Folder in which TensorRT keeps its engines, which take minutes to build; None: it builds them each time."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one graph runs on."""

    provider: Provider
    options: GpuOptions = GpuOptions()
    side: int = 0
    """S of the network's input; 0: unknown, nothing can be bound, and TensorRT builds an engine for each shape."""
    buckets: tuple[int, ...] = (1,)
    """Sizes of batches that will be run, ascending."""

    @property
    def is_bound(self) -> bool:
        """Whether runs use buffers that stay."""
        return self.options.runs != "plain" and self.side > 0

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where the buffers are."""
        return "cpu" if self.provider == "cpu" else "cuda"

    @property
    def execution_providers(self) -> list[ExecutionProvider]:
        """What a session is opened with, the preferred one first."""
        if self.provider == "cpu":
            return [(CPU, {})]
        cuda = (CUDA, self._cuda())
        return [cuda] if self.provider == "cuda" else [(TENSORRT, self._tensorrt()), cuda]

    def _cuda(self) -> dict[str, str]:
        # HEURISTIC: the exhaustive search of cuDNN takes hundreds of milliseconds for every new batch shape.
        # TF32 is off: it costs three digits of the logits, and the self-test compares them.
        cuda = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
        is_captured = self.options.runs == "graphs" and self.provider == "cuda"
        return cuda | {"enable_cuda_graph": "1"} if is_captured else cuda

    def _tensorrt(self) -> dict[str, str]:
        graphs = self.options.runs == "graphs"
        tensorrt = {"trt_fp16_enable": str(int(self.options.fp16)), "trt_cuda_graph_enable": str(int(graphs))}
        if self.options.engine_cache is not None:
            tensorrt |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(self.options.engine_cache)}
        if self.side:
            buckets = self.buckets
            sizes = {"min": buckets[0], "opt": buckets[len(buckets) // 2], "max": buckets[-1]}
            shapes = {name: f"image:{size}x1x{self.side}x{self.side},target:{size}" for name, size in sizes.items()}
            tensorrt |= {f"trt_profile_{name}_shapes": shape for name, shape in shapes.items()}
        return tensorrt


def require_provider(provider: Provider) -> None:
    """Check that the installed ONNX Runtime was built with `provider`.

    Raises:
        SettingsError: it was not.
    """
    if NAMES[provider] not in ort.get_available_providers():
        msg = (
            f"provider {provider} is not in the installed ONNX Runtime; install the extra [gpu], "
            "or set CXR_PROVIDER=cpu"
        )
        raise SettingsError(msg)
