"""Rules of what ONNX Runtime gets to know of the hardware."""

from pathlib import Path
from typing import Any

import pytest

from bundle.providers import CPU, CUDA, TENSORRT, GpuOptions, Hardware, require_provider
from schemas.errors import SettingsError

SIDE: dict[str, Any] = {"side": 64, "buckets": (1, 2, 4, 8)}


def test_a_cpu_has_no_options() -> None:
    assert Hardware("cpu", GpuOptions("graphs"), **SIDE).execution_providers == [(CPU, {})]


@pytest.mark.parametrize(("runs", "captured"), [("plain", {}), ("bound", {}), ("graphs", {"enable_cuda_graph": "1"})])
def test_cuda_computes_whole_floats_and_captures_graphs_where_that_is_asked_for(runs, captured) -> None:
    ((name, options),) = Hardware("cuda", GpuOptions(runs), **SIDE).execution_providers

    assert name == CUDA
    assert options == {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"} | captured


def test_tensorrt_comes_before_cuda_with_one_engine_for_all_buckets() -> None:
    options = GpuOptions("graphs", fp16=True, engine_cache=Path("/var/cache/cxr"))
    (first, tensorrt), (second, cuda) = Hardware("tensorrt", options, **SIDE).execution_providers

    assert (first, second) == (TENSORRT, CUDA)
    assert tensorrt == {
        "trt_fp16_enable": "1",
        "trt_cuda_graph_enable": "1",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": "/var/cache/cxr",
        "trt_profile_min_shapes": "image:1x1x64x64,target:1",
        "trt_profile_opt_shapes": "image:4x1x64x64,target:4",
        "trt_profile_max_shapes": "image:8x1x64x64,target:8",
    }
    assert "enable_cuda_graph" not in cuda  # one provider captures, and it is TensorRT


def test_tensorrt_without_a_cache_or_a_side_is_told_neither() -> None:
    (_, tensorrt), _ = Hardware("tensorrt").execution_providers

    assert tensorrt == {"trt_fp16_enable": "0", "trt_cuda_graph_enable": "0"}


@pytest.mark.parametrize(
    ("hardware", "bound"),
    [
        (Hardware("cuda", GpuOptions("plain"), **SIDE), False),
        (Hardware("cuda", GpuOptions("bound"), **SIDE), True),
        (Hardware("cuda", GpuOptions("graphs"), **SIDE), True),
        (Hardware("cuda", GpuOptions("graphs")), False),
    ],
)
def test_buffers_stay_where_that_is_asked_for_and_the_side_is_known(hardware, bound) -> None:
    assert hardware.is_bound is bound


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_is_not_installed_is_refused(provider) -> None:
    with pytest.raises(SettingsError, match=f"provider {provider} is not in the installed ONNX Runtime"):
        require_provider(provider)
