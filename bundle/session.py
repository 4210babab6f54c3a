"""The graph of a bundle in ONNX Runtime: the only place where a session is made, for exporter and service alike."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from bundle.bound import BoundRuns
from bundle.opening import Bundle
from bundle.providers import NAMES, GpuOptions, Hardware, require_provider
from schemas.errors import BundleError, InferenceError, SettingsError
from schemas.model.manifest import BundleManifest
from schemas.model.precision import Precision
from schemas.tuning import Provider

GraphOutputs = Mapping[str, NDArray[np.float32]]
"""Arrays by their names in `schemas.model.manifest.GraphContract`."""

Run = Callable[[NDArray[np.float32], NDArray[np.int64]], GraphOutputs]
"""Takes films [N, 1, S, S] in [0, 1] and targets [N]; returns every output of the graph."""

MOST_PROBABLE: Final = -1
"""The target that asks for the heat map of the most probable class."""

ANSWER_OUTPUTS: Final = ("logits", "probabilities", "embedding")
MAP_OUTPUTS: Final = ("gradcam", "gradcam_plus_plus", "layercam")
"""Those that a graph has are `GraphContract.map_outputs`."""
GUIDE_OUTPUTS: Final = ("lungs", "traits")
"""Absent from a graph without a guide."""

PLAIN: Final = GpuOptions()

_ORT_ERRORS: Final = tuple(
    error for error in vars(ort_errors).values() if isinstance(error, type) and issubclass(error, Exception)
)


class Session:
    """A graph that was loaded from bytes, so that weights outside the file cannot be reached.

    Runs may overlap in several threads; they share the weights.
    """

    def __init__(
        self,
        content: bytes,
        *,
        name: str = "the graph",
        provider: Provider | Hardware = "cpu",
        intra_op_threads: int = 0,
        optimized: bool = True,
    ) -> None:
        """Load the graph.

        Args:
            content: the ONNX file.
            name: of the file, for messages.
            provider: what computes; with a GPU, how.
            intra_op_threads: threads of one run; 0: one for each core.
            optimized: False: ONNX Runtime runs the nodes as the file has them and fuses nothing.

        Raises:
            BundleError: ONNX Runtime refuses the graph.
            SettingsError: the provider is not installed or does not start.
        """
        hardware = provider if isinstance(provider, Hardware) else Hardware(provider)
        require_provider(hardware.provider)
        options = _session_options(intra_op_threads, optimized=optimized)
        try:
            self._session = ort.InferenceSession(content, options, providers=hardware.execution_providers)
        except _ORT_ERRORS as error:
            msg = (
                f"{name} cannot be loaded by ONNX Runtime: {first_line(error)}; weights must be inside the file, "
                "export it again"
            )
            raise BundleError(msg) from error
        self._require_started(hardware.provider)
        # It would keep the file for a fallback to other providers, which nobody asks for: 17 MB of the shipped bundle.
        self._session.disable_fallback()
        self._session._model_bytes = None  # noqa: SLF001 its own comment there regrets that it stays
        self._bound = _bound(self._session, hardware)
        self._runs: dict[ort.RunOptions, float] = {}
        self.inputs = tuple(entry.name for entry in self._session.get_inputs())
        self.outputs = tuple(entry.name for entry in self._session.get_outputs())

    @property
    def metadata(self) -> Mapping[str, str]:
        """The description that the file carries."""
        metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return metadata

    def interrupt(self, longest_s: float) -> None:
        """Make the runs fail that take longer, as far as ONNX Runtime looks: between two nodes, and in each loop."""
        latest = time.monotonic() - longest_s
        for options, start in list(self._runs.items()):
            if start <= latest:
                options.terminate = True

    def _require_started(self, provider: Provider) -> None:
        if NAMES[provider] not in self._session.get_providers():
            # ONNX Runtime has fallen back to the CPU without an error, microsoft/onnxruntime#23372.
            msg = f"provider {provider} is installed but does not start here; check the driver, or set CXR_PROVIDER=cpu"
            raise SettingsError(msg)

    def run(
        self, image: NDArray[np.float32], target: NDArray[np.int64], outputs: Sequence[str] | None = None
    ) -> GraphOutputs:
        """Compute outputs of a batch.

        Args:
            image: float32 [N, 1, S, S] in [0, 1].
            target: int64 [N], the class to explain, or `MOST_PROBABLE`.
            outputs: their names; None: all of the graph.

        Raises:
            InferenceError: ONNX Runtime failed.
        """
        names = self.outputs if outputs is None else outputs
        options = ort.RunOptions()
        options.only_execute_path_to_fetches = True  # where no map is asked for, none is computed
        self._runs[options] = time.monotonic()
        try:
            if self._bound is None:
                arrays = self._session.run(names, {"image": image, "target": target}, options)
            else:
                arrays = self._bound.run(image, target, names, options)
        except _ORT_ERRORS as error:
            reason = "it was interrupted, as it did not end" if options.terminate else first_line(error)
            msg = f"ONNX Runtime failed on {len(image)} films: {reason}"
            raise InferenceError(msg) from error
        finally:
            del self._runs[options]
        return dict(zip(names, arrays, strict=True))


def open_session(
    bundle: Bundle,
    *,
    provider: Provider = "cpu",
    intra_op_threads: int = 0,
    precision: Precision = "fp32",
    gpu: GpuOptions = PLAIN,
) -> Session:
    """Load the graph of a bundle that computes at a precision.

    Args:
        bundle: its hashes are right.
        provider: what computes.
        intra_op_threads: threads of one run; 0: one for each core.
        precision: of the graph.
        gpu: how it runs on a GPU.

    Raises:
        BundleError: the bundle has no graph of this precision, the graph cannot be loaded, or it lacks inputs or
            outputs of `schemas.model.manifest.GraphContract`.
        SettingsError: the provider is not installed or does not start.
    """
    require_provider(provider)
    manifest = bundle.manifest
    name = manifest.graph_files(precision).graph
    hardware = Hardware(
        provider,
        replace(gpu, fp16=precision == "fp16"),
        side=manifest.preprocess.size,
        buckets=bucket_sizes(manifest.graph.max_batch),
    )
    session = Session(bundle.read(name), name=name, provider=hardware, intra_op_threads=intra_op_threads)
    missing = {"image", "target", *outputs_of(bundle.manifest)} - {*session.inputs, *session.outputs}
    if missing:
        msg = f"{name} lacks the inputs or outputs {sorted(missing)}; export the bundle again"
        raise BundleError(msg)
    return session


def outputs_of(manifest: BundleManifest) -> tuple[str, ...]:
    """The outputs that the graph of a bundle must have; see `schemas.model.manifest.GraphContract`."""
    return (*ANSWER_OUTPUTS, *manifest.graph.map_outputs, *(GUIDE_OUTPUTS if manifest.guide is not None else ()))


def bucket_sizes(largest: int) -> tuple[int, ...]:
    """The powers of two up to `largest`, and `largest`: the sizes of batches that are run."""
    return (*(1 << power for power in range((largest - 1).bit_length())), largest)


def run_in_batches(run: Run, films: NDArray[np.float32], targets: NDArray[np.int64], batch: int) -> GraphOutputs:
    """The outputs of a graph for any number of films.

    Args:
        run: the graph.
        films: [V, 1, S, S] in [0, 1], V >= 1.
        targets: [V].
        batch: how many films are run at a time; the last batch may be smaller.

    Raises:
        InferenceError: the graph does not run.
    """
    starts = range(0, len(films), batch)
    parts = [run(films[start : start + batch], targets[start : start + batch]) for start in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its type where the message is empty."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _bound(session: ort.InferenceSession, hardware: Hardware) -> BoundRuns | None:
    if not hardware.is_bound:
        return None
    return BoundRuns(session, hardware)


def _session_options(intra_op_threads: int, *, optimized: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    # One block for all of a run's arrays is twice as large as what is in use at a time, and no faster: 10 MB.
    options.enable_mem_pattern = False
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # errors are raised; the warnings list fused nodes
    # Threads that spin between runs take the cores from the decoders: 68 against 124 films/s on two cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights outside the graph are outside its hash; ONNX Runtime would look for them in the working directory.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options
