"""What every peer does for a film: decode, prepare, run the network, answer; the same code and the same graph for all.

Imports nothing of the service. `Pipeline.from_environment` is how the programs of this folder get theirs.
"""

import os
from pathlib import Path
from time import thread_time
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime as ort

from imaging.decode import decode
from imaging.preprocess import prepare
from schemas.model.manifest import MANIFEST, BundleManifest
from schemas.model.precision import Precision

BUNDLE: Final = "PEER_BUNDLE"
"""Variable: the folder of the bundle."""
PRECISION: Final = "PEER_PRECISION"
"""Variable: which of its graphs."""
WORKERS: Final = "PEER_WORKERS"
"""Variable: processes that compute."""
PORT: Final = "PEER_PORT"
"""Variable: of 127.0.0.1."""

ANSWERS: Final = ("logits", "probabilities", "embedding")
GUIDE: Final = ("lungs", "traits")

STAGES: Final = ("decode", "prepare", "network", "answer")


def session(graph: bytes) -> ort.InferenceSession:
    """A graph on one thread, with the settings that the service gives ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def answers(manifest: BundleManifest) -> list[str]:
    """The outputs of the graph that the service reads where no heat map is asked for."""
    return [*ANSWERS, *(GUIDE if manifest.guide else ())]


class Pipeline:
    """One network on one thread."""

    def __init__(self, bundle: Path, precision: Precision) -> None:
        """Load the graph.

        Raises:
            BundleError: the bundle has no graph of this precision.
        """
        cv2.setNumThreads(1)
        manifest = BundleManifest.model_validate_json((bundle / MANIFEST).read_bytes())
        self._session = session((bundle / manifest.graph_files(precision).graph).read_bytes())
        # What the service reads of a film without a heat map, which is not asked for.
        self._outputs = answers(manifest)
        self._run_options = ort.RunOptions()
        self._run_options.only_execute_path_to_fetches = True
        self._preprocess = manifest.preprocess
        self.side = manifest.preprocess.size
        self._target = np.full(1, -1, np.int64)
        self.classes = manifest.classes

    @classmethod
    def from_environment(cls) -> "Pipeline":
        """The pipeline of the bundle and precision that the variables name."""
        precision: Any = os.environ[PRECISION]  # `graph_files` refuses what is none
        return cls(Path(os.environ[BUNDLE]), precision)

    def answer(self, film: bytes) -> dict[str, Any]:
        """What a peer answers: the label and the probability of each class."""
        return self.timed(film)[0]

    def timed(self, film: bytes) -> tuple[dict[str, Any], tuple[float, ...]]:
        """The answer, and the processor seconds that each of `STAGES` took, all of them on this thread."""
        start = thread_time()
        radiograph = decode(film, declared_type="image/jpeg", min_side=self._preprocess.decoded_side)
        decoded = thread_time()
        image = prepare(radiograph, self._preprocess)[None]
        prepared = thread_time()
        outputs = self._session.run(self._outputs, {"image": image, "target": self._target}, self._run_options)
        ran = thread_time()
        probabilities = dict(zip(self.classes, outputs[1][0].tolist(), strict=True))
        answer = {"label": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}
        return answer, (decoded - start, prepared - decoded, ran - prepared, thread_time() - ran)
