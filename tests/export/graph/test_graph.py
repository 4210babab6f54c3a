"""The exported file: names, shapes, what it says about itself, and what it keeps to itself."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bundle.session import Session
from export.graph.graph import INPUTS, OPSET, OUTPUTS, export_graph
from export.manifest import describe
from schemas.model.calibration import Calibration
from schemas.model.decision import softmax
from schemas.preprocess import PreprocessSpec
from tests.export.untrained import CLASSES, SIDE, TEMPERATURE


@pytest.fixture(scope="module")
def content(bundle) -> bytes:
    return (bundle / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def graph(content) -> Session:
    return Session(content)


def test_the_file_holds_its_weights_and_names_inputs_and_outputs_by_the_contract(content) -> None:
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)

    assert tuple(entry.name for entry in model.graph.input) == INPUTS == ("image", "target")
    assert tuple(entry.name for entry in model.graph.output) == OUTPUTS
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert {(entry.domain, entry.version) for entry in model.opset_import} == {("", OPSET)}


@pytest.mark.parametrize("count", [1, 2, 5, 33])
def test_any_number_of_films_is_answered_each_as_if_alone(graph, trial, count) -> None:
    films = trial.films[:count]
    targets = np.arange(count) % 3 - 1

    together = graph.run(films, targets)

    for output, values in together.items():
        alone = np.concatenate([graph.run(films[i : i + 1], targets[i : i + 1])[output] for i in range(count)])
        np.testing.assert_allclose(values, alone, rtol=1e-4, atol=1e-5 * np.abs(alone).max(), err_msg=output)


def test_shapes_are_those_of_the_contract(graph, trial) -> None:
    outputs = graph.run(trial.films[:3], np.full(3, -1))

    assert {name: values.shape for name, values in outputs.items()} == {
        "logits": (3, 2),
        "probabilities": (3, 2),
        "embedding": (3, 64),
        "gradcam": (3, 16, 16),
        "gradcam_plus_plus": (3, 16, 16),
    }


def test_probabilities_are_the_softmax_of_the_logits_over_the_temperature(graph, trial) -> None:
    outputs = graph.run(trial.films, np.full(40, -1))

    np.testing.assert_allclose(outputs["probabilities"], softmax(outputs["logits"], TEMPERATURE), atol=1e-6)


def test_minus_one_explains_the_most_probable_class(graph, trial) -> None:
    asked = graph.run(trial.films, np.full(40, -1))
    named = graph.run(trial.films, asked["logits"].argmax(1))

    assert len(set(asked["logits"].argmax(1))) == 2
    np.testing.assert_array_equal(asked["gradcam"], named["gradcam"])
    np.testing.assert_array_equal(asked["gradcam_plus_plus"], named["gradcam_plus_plus"])


@pytest.mark.parametrize("target", [-2, 2, 9])
def test_a_target_that_is_no_class_gives_an_empty_map_and_the_same_answer(graph, trial, target) -> None:
    known = graph.run(trial.films[:1], np.array([-1]))
    unknown = graph.run(trial.films[:1], np.array([target]))

    np.testing.assert_array_equal(unknown["logits"], known["logits"])
    assert unknown["gradcam"].max() == unknown["gradcam_plus_plus"].max() == 0


def test_the_file_tells_a_client_without_the_bundle_how_to_use_it(graph, trial) -> None:
    metadata = graph.metadata

    assert metadata == describe(trial.record)
    assert metadata["classes"] == '["NORMAL","PNEUMONIA"]'
    assert (metadata["architecture"], metadata["negative_class"], metadata["format_version"]) == (
        "cnn_baseline",
        CLASSES[0],
        "1",
    )
    assert PreprocessSpec.model_validate_json(metadata["preprocess"]) == PreprocessSpec(size=SIDE)
    assert Calibration.model_validate_json(metadata["calibration"]) == trial.record.calibration


def test_the_file_names_no_folder_of_the_machine_that_exported_it(content) -> None:
    assert str(Path(__file__).parents[3]).encode() not in content
    assert b"site-packages" not in content
    assert b".py" not in content


def test_exporting_is_quiet(trial, capfd) -> None:
    export_graph(trial.network, size=SIDE, temperature=1.0)

    assert capfd.readouterr() == ("", "")
