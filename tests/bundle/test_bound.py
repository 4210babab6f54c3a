"""Rules of runs with buffers that stay, on the CPU; what only a GPU shows is measured by `benchmarks/gpu.py`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from bundle.bound import GRAPH_ID, NO_GRAPH, BoundRuns, pinned_memory
from bundle.golden import check_golden
from bundle.opening import Bundle, open_bundle
from bundle.providers import GpuOptions, Hardware
from bundle.session import open_session
from schemas.errors import InferenceError
from tests.service.bundles import write_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("models")))


def films(bundle: Bundle, count: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    side = bundle.manifest.preprocess.size
    images = np.random.default_rng(seed).random((count, 1, side, side), np.float32)
    return images, np.arange(count, dtype=np.int64) % 3 - 1


@pytest.mark.parametrize("runs", ["bound", "graphs"])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_every_output_is_byte_for_byte_that_of_a_plain_run_of_the_same_bucket(bundle, runs, count) -> None:
    plain = open_session(bundle, intra_op_threads=1)
    bound = open_session(bundle, intra_op_threads=1, gpu=GpuOptions(runs))
    images, targets = films(bundle, count)
    bucket = 1 << (count - 1).bit_length()
    padding = bucket - count
    padded = np.concatenate([images, np.zeros((padding, *images.shape[1:]), np.float32)])
    expected = plain.run(padded, np.concatenate([targets, np.full(padding, -1)]))
    answers = bound.run(images, targets)

    assert answers.keys() == expected.keys()
    for name, array in answers.items():
        assert array.tobytes() == expected[name][:count].tobytes()


def test_padding_changes_no_answer(bundle) -> None:
    bound = open_session(bundle, intra_op_threads=1, gpu=GpuOptions("bound"))
    images, targets = films(bundle, 3)
    together = bound.run(images, targets)
    alone = [bound.run(images[film : film + 1], targets[film : film + 1]) for film in range(3)]

    for name, array in together.items():
        np.testing.assert_allclose(array, np.concatenate([each[name] for each in alone]), rtol=1e-5, atol=1e-6)


def test_the_self_test_passes(bundle) -> None:
    bound = open_session(bundle, gpu=GpuOptions("bound"))

    assert check_golden(bundle, bound.run).logits < 1e-4


def test_what_was_answered_is_not_written_over_by_the_next_run(bundle) -> None:
    bound = open_session(bundle, gpu=GpuOptions("bound"))
    first = bound.run(*films(bundle, 2, seed=1))
    before = {name: array.copy() for name, array in first.items()}
    bound.run(*films(bundle, 2, seed=2))

    for name, array in first.items():
        np.testing.assert_array_equal(array, before[name])


def test_threads_get_the_answers_to_their_own_films(bundle) -> None:
    plain, bound = open_session(bundle), open_session(bundle, gpu=GpuOptions("bound"))
    batches = [films(bundle, 1 + seed % 4, seed=seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda batch: bound.run(batch[0], batch[1], ("logits",))["logits"], batches))

    for batch, logits in zip(batches, answers, strict=True):
        np.testing.assert_allclose(logits, plain.run(batch[0], batch[1], ("logits",))["logits"], rtol=1e-4, atol=1e-5)


class Recorder:
    """A session that remembers under which graph id each bucket ran."""

    def __init__(self, session):
        self.session = session
        self.ids = []

    def io_binding(self):
        return self.session.io_binding()

    def run(self, names, inputs, options):
        self.ids.append((options.get_run_config_entry(GRAPH_ID), len(inputs["target"]), tuple(names)))
        return self.session.run(names, inputs)

    def run_with_iobinding(self, binding, options):
        self.ids.append((options.get_run_config_entry(GRAPH_ID), None, None))
        self.session.run_with_iobinding(binding)


@pytest.mark.parametrize(("runs", "ids"), [("graphs", ["1", "2", "1", "3"]), ("bound", [NO_GRAPH] * 4)])
def test_each_bucket_and_choice_of_outputs_has_a_graph_of_its_own(bundle, runs, ids) -> None:
    side = bundle.manifest.preprocess.size
    session = ort.InferenceSession(bundle.read("model.onnx"), providers=["CPUExecutionProvider"])
    recorder = Recorder(session)
    bound = BoundRuns(recorder, Hardware("cpu", GpuOptions(runs), side=side, buckets=(1, 2, 4)))
    for count, names in ((1, ["logits"]), (3, ["logits"]), (1, ["logits"]), (1, ["logits", "gradcam"])):
        images, targets = films(bundle, count)
        bound.run(images, targets, names, ort.RunOptions())

    assert [graph for graph, size, _ in recorder.ids if size is None] == ids
    assert [(graph, size) for graph, size, _ in recorder.ids if size] == [(NO_GRAPH, 1), (NO_GRAPH, 4), (NO_GRAPH, 1)]


def test_a_batch_beyond_the_largest_bucket_or_of_another_side_is_refused(bundle) -> None:
    bound = open_session(bundle, gpu=GpuOptions("bound"))
    largest = bundle.manifest.graph.max_batch

    with pytest.raises(InferenceError, match=f"largest bucket {largest}"):
        bound.run(*films(bundle, largest + 1))
    with pytest.raises(InferenceError, match="do not fit"):
        bound.run(np.zeros((1, 1, 8, 8), np.float32), np.zeros(1, np.int64))


def test_a_machine_without_cuda_offers_no_pinned_memory() -> None:
    assert "CUDAExecutionProvider" in ort.get_available_providers() or pinned_memory() is None
