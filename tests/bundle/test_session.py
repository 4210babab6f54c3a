"""The session: what it refuses, and that its errors always have words."""

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

from bundle.opening import open_bundle
from bundle.providers import require_provider
from bundle.session import Session, first_line, open_session
from schemas.errors import BundleError, InferenceError, SettingsError
from schemas.model.manifest import GRAPH
from tests.service.bundles import replace_file, write_tiny_bundle
from tests.service.network import SIDE, graph, tiny_network


@pytest.fixture
def content():
    return graph(tiny_network()).SerializeToString()


@pytest.fixture
def films():
    return np.random.default_rng(5).random((3, 1, SIDE, SIDE), np.float32), np.array([0, 1, -1])


def test_only_the_outputs_that_are_asked_for_are_computed(content, films) -> None:
    session = Session(content)
    image, target = films

    assert set(session.run(image, target)) == set(session.outputs)
    assert set(session.run(image, target, ("logits",))) == {"logits"}


def test_threads_and_fusing_change_only_rounding(content, films) -> None:
    sessions = (
        Session(content, intra_op_threads=count, optimized=fused) for count, fused in ((1, True), (2, True), (1, False))
    )
    first, *others = (session.run(*films) for session in sessions)

    for other in others:
        for name, array in first.items():
            np.testing.assert_allclose(other[name], array, atol=1e-5)


def test_weights_outside_the_graph_are_refused_even_where_the_file_is_there(tmp_path, monkeypatch) -> None:
    directory = write_tiny_bundle(tmp_path)
    monkeypatch.chdir(directory)
    onnx.save(graph(tiny_network()), "split.onnx", save_as_external_data=True, location="w.bin", size_threshold=100)
    replace_file(directory, GRAPH, (directory / "split.onnx").read_bytes())

    with pytest.raises(BundleError, match="weights must be inside the file"):
        open_session(open_bundle(directory))


def test_bytes_that_are_not_a_graph_are_refused() -> None:
    with pytest.raises(BundleError, match=r"the graph cannot be loaded by ONNX Runtime: .+; weights must be"):
        Session(b"no graph")


def test_a_graph_that_lacks_an_output_of_its_contract_is_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    replace_file(directory, GRAPH, graph(tiny_network(), maps=False).SerializeToString())

    with pytest.raises(BundleError, match=r"\['gradcam', 'gradcam_plus_plus'\]"):
        open_session(open_bundle(directory))


def test_a_graph_that_lacks_its_guide_is_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path, guide=True)
    replace_file(directory, GRAPH, graph(tiny_network()).SerializeToString())

    with pytest.raises(BundleError, match=r"\['lungs', 'traits'\]"):
        open_session(open_bundle(directory))


def test_input_of_another_size_is_a_failure_of_ours(content) -> None:
    with pytest.raises(InferenceError, match="2 films"):
        Session(content).run(np.zeros((2, 1, 8, 8), np.float32), np.zeros(2, np.int64))


def test_a_provider_that_is_not_installed_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(SettingsError, match="CXR_PROVIDER=cpu"):
        require_provider("cuda")
    with pytest.raises(SettingsError, match="CXR_PROVIDER=cpu"):
        Session(b"no graph", provider="cuda")


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("first\nsecond"), "first"), (ValueError(""), "ValueError"), (KeyError(), "KeyError")],
)
def test_an_error_without_a_message_is_named_by_its_type(error, line) -> None:
    assert first_line(error) == line


TELLS = """
import os, pathlib
import bundle.session
files = [os.readlink(link) for link in pathlib.Path("/proc/self/fd").iterdir() if os.path.exists(link)]
print(len(os.listdir("/proc/self/task")), any("onnxruntime.db" in file for file in files))
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="threads and files are looked up in /proc")
def test_the_runtime_tells_nobody_what_it_runs() -> None:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    told = subprocess.run([sys.executable, "-c", TELLS], env=environment, capture_output=True, text=True, check=True)

    assert told.stdout == "1 False\n"  # no thread that sends, and no file of what is to be sent
