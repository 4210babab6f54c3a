"""Rules of the network's engine."""

import numpy as np
import pytest

from bundle.opening import open_bundle
from bundle.session import MOST_PROBABLE
from schemas.errors import BundleError, InferenceError, SettingsError
from schemas.model.decision import softmax
from schemas.model.manifest import GRAPH
from service.engine.engine import OnnxEngine
from tests.service.bundles import replace_file, write_tiny_bundle
from tests.service.network import (
    GRID,
    SIDE,
    TEMPERATURE,
    findings_network,
    findings_probabilities,
    gradcam_plus_plus,
    graph,
    lungs,
    tiny_network,
    traits,
)


def opened(directory):
    return OnnxEngine.open(open_bundle(directory), provider="cpu", intra_op_threads=1)


@pytest.fixture
def images():
    return np.random.default_rng(5).random((3, 1, SIDE, SIDE), np.float32)


@pytest.fixture
def engine(tiny_models):
    return opened(tiny_models / "tiny" / "1.0.0")


def test_outputs_are_those_of_the_network_computed_by_hand(engine, images) -> None:
    network = tiny_network()

    outputs = engine.run(images, None)

    expected = np.stack([network.logits(image) for image in images])
    assert np.allclose(outputs.logits, expected, atol=1e-5)
    assert np.allclose(outputs.probabilities, softmax(expected, TEMPERATURE), atol=1e-6)
    assert outputs.embedding.shape == (3, 3)
    assert outputs.maps == {}


def test_a_bundle_without_a_guide_sees_neither_lungs_nor_traits(engine, images) -> None:
    outputs = engine.run(images, None)

    assert (outputs.lungs, outputs.traits) == (None, None)


def test_a_guide_sees_lungs_and_traits_of_each_film_and_findings_are_scaled_one_by_one(tmp_path, images) -> None:
    engine = opened(write_tiny_bundle(tmp_path, alone=True, guide=True))
    images[1, :, : SIDE // 2] = 1  # bright above: an adult
    network = findings_network()

    outputs = engine.run(images, None)

    expected = findings_probabilities(np.stack([network.logits(image) for image in images]))
    assert np.allclose(outputs.probabilities, expected, atol=1e-5)
    for index, image in enumerate(images):
        assert np.allclose(outputs[index].lungs, [lungs(network, image)], atol=1e-5)
        assert np.allclose(outputs[index].traits, [traits(network, image)], atol=1e-5)
    assert outputs.traits[1, 1] > 0.4 > outputs.traits[0, 1]
    assert set(outputs.by_name()) == {"logits", "probabilities", "embedding", "lungs", "traits"}


def test_heat_maps_are_those_of_the_target_asked_for(engine, images) -> None:
    network = tiny_network()

    outputs = engine.run(images, np.array([0, 1, MOST_PROBABLE]))

    explained = [0, 1, int(outputs.logits[2].argmax())]
    assert outputs.maps["gradcam"].shape == (3, GRID, GRID)
    for film, target in enumerate(explained):
        assert np.allclose(outputs.maps["gradcam"][film], network.gradcam(images[film], target), atol=1e-5)
        assert np.allclose(outputs.maps["gradcam++"][film], gradcam_plus_plus(network, images[film], target), atol=1e-5)


def test_one_film_of_a_batch_has_the_outputs_that_it_has_alone(engine, images) -> None:
    targets = np.array([1, 1, 1])

    of_batch = engine.run(images, targets)[2]
    alone = engine.run(images[2:], targets[2:])

    for name in ("logits", "probabilities", "embedding"):
        assert np.allclose(getattr(of_batch, name), getattr(alone, name), atol=1e-5)
    for method in ("gradcam", "gradcam++"):
        assert np.allclose(of_batch.maps[method], alone.maps[method], atol=1e-5)


def test_a_graph_without_maps_answers_without_them(tmp_path, images) -> None:
    engine = opened(write_tiny_bundle(tmp_path, maps=False))

    assert engine.run(images, np.array([1, 1, 1])).maps == {}


def test_bytes_that_are_no_graph_are_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    replace_file(directory, GRAPH, b"no graph")

    with pytest.raises(BundleError, match="cannot be loaded"):
        opened(directory)


def test_a_graph_that_lacks_an_output_of_its_contract_is_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    replace_file(directory, GRAPH, graph(tiny_network(), maps=False).SerializeToString())

    with pytest.raises(BundleError, match=r"\['gradcam', 'gradcam_plus_plus'\]"):
        opened(directory)


def test_input_of_another_size_is_a_failure_of_ours(engine) -> None:
    with pytest.raises(InferenceError, match="2 films"):
        engine.run(np.zeros((2, 1, 8, 8), np.float32), None)


def test_the_silent_fallback_to_the_cpu_is_an_error(tiny_models, monkeypatch) -> None:
    # What ONNX Runtime does where CUDA is installed and has no driver: it lists the provider and starts without it.
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])

    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(SettingsError, match="does not start here"),
    ):
        OnnxEngine.open(open_bundle(tiny_models / "tiny" / "1.0.0"), provider="cuda", intra_op_threads=1)
