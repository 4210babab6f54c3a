"""The parity gate lets nothing pass but the network itself."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bundle.session import Session
from export.gates.parity import BATCHES, TOLERANCES, check_parity
from export.graph.graph import OUTPUTS
from schemas.errors import ParityError
from tests.export.untrained import small_network, trial_of


@pytest.fixture(scope="module")
def run(bundle):
    return Session((bundle / "model.onnx").read_bytes()).run


def altered(run, output, change):
    """The graph with one of its outputs changed."""

    def run_altered(films, targets):
        outputs = run(films, targets)
        return {**outputs, output: change(outputs[output])}

    return run_altered


def perturbed(bundle, factor):
    """The graph with one weight of its last convolution multiplied."""
    model = onnx.load(bundle / "model.onnx")
    tensor = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [64, 32, 3, 3])
    weights = numpy_helper.to_array(tensor).copy()
    weights.flat[np.abs(weights).argmax()] *= factor
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    return Session(model.SerializeToString()).run


def test_the_exported_graph_passes_at_every_batch_size_with_room_to_spare(trial, run) -> None:
    report = check_parity(trial.network, run, trial.record, trial.films, trial.labels)

    assert report.films == 40
    assert {(row.output, row.batch) for row in report.rows} == {(name, size) for name in OUTPUTS for size in BATCHES}
    assert BATCHES == (1, 2, 7, 32)
    assert all(row.worst <= row.tolerance / 5 for row in report.rows)
    assert report.auroc is not None
    assert report.auroc[0] == pytest.approx(report.auroc[1], abs=5e-5)


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_a_graph_with_one_other_weight_is_refused(trial, bundle, factor) -> None:
    with pytest.raises(ParityError, match=r"^logits at batch 1 is off by \S+, at most \S+ is accepted; .*not shipped"):
        check_parity(trial.network, perturbed(bundle, factor), trial.record, trial.films, trial.labels)


@pytest.mark.parametrize("output", OUTPUTS)
def test_each_output_is_judged_by_itself_and_relative_to_its_size(trial, run, output) -> None:
    worse = altered(run, output, lambda values: values * (1 + 2 * TOLERANCES[output]))

    with pytest.raises(ParityError, match=rf"^{output} at batch 1 "):
        check_parity(trial.network, worse, trial.record, trial.films, trial.labels)


def test_logits_of_an_untrained_network_are_judged_by_their_own_small_size(trial) -> None:
    network = small_network()
    network.classifier.weight.data /= 4000
    network.classifier.bias.data.zero_()
    tiny = trial_of(network, architecture="cnn_baseline", side=32, distribution=False)
    exact = reference_run(tiny)
    worse = altered(exact, "logits", lambda values: values + 1e-5)

    assert np.abs(exact(tiny.films, np.full(40, -1))["logits"]).max() < 0.02
    with pytest.raises(ParityError, match=r"^logits at batch 1 "):
        check_parity(tiny.network, worse, tiny.record, tiny.films)


def reference_run(trial):
    from export.gates.parity import reference_outputs

    return lambda films, targets: reference_outputs(trial.network, films, targets, trial.record.calibration.temperature)


def test_a_graph_that_is_wrong_only_for_full_batches_is_refused(trial, run) -> None:
    def frozen(films, targets):
        outputs = dict(run(films, targets))
        if len(films) == 7:
            outputs["gradcam"] = np.repeat(outputs["gradcam"][:1], 7, axis=0)
        return outputs

    with pytest.raises(ParityError, match=r"^gradcam at batch 7 "):
        check_parity(trial.network, frozen, trial.record, trial.films, trial.labels)


def test_maps_of_another_grid_are_refused(trial, run) -> None:
    with pytest.raises(ParityError, match=r"^gradcam at batch 1 is off by inf"):
        check_parity(trial.network, altered(run, "gradcam", lambda maps: maps[:, ::2]), trial.record, trial.films)


def test_a_film_that_gets_another_label_is_refused_with_the_remedy(trial, run) -> None:
    probability = float(run(trial.films[:1], np.array([-1]))["probabilities"][0, 1])
    on_the_film = trial.record.calibration.operating_points[0].model_copy(update={"threshold": probability - 5e-7})
    calibration = trial.record.calibration.model_copy(update={"operating_points": (on_the_film,)})
    record = trial.record.model_copy(update={"calibration": calibration})
    lower = altered(run, "probabilities", lambda values: values + np.array([1e-6, -1e-6], np.float32))

    with pytest.raises(ParityError, match=r"labels at batch 1: 1 of 40 films .*place it between two films"):
        check_parity(trial.network, lower, record, trial.films, trial.labels)


def test_an_auroc_that_differs_in_its_fourth_decimal_is_refused(trial, run) -> None:
    network = small_network()
    network.classifier.weight.data /= 1e4  # probabilities so close that within the tolerance they can be reordered
    network.classifier.bias.data.zero_()
    close = trial_of(network, architecture="cnn_baseline", side=32, distribution=False)
    reversed_order = altered(reference_run(close), "probabilities", lambda values: 2 * values.mean(0) - values)
    threshold = close.record.calibration.operating_points[0].model_copy(update={"threshold": 0.0})
    record = close.record.model_copy(
        update={"calibration": close.record.calibration.model_copy(update={"operating_points": (threshold,)})}
    )

    with pytest.raises(ParityError, match=r"AUROC is .* four decimals must agree"):
        check_parity(close.network, reversed_order, record, close.films, close.labels)


def test_without_films_of_every_class_there_is_no_auroc_to_compare(trial, run) -> None:
    assert check_parity(trial.network, run, trial.record, trial.films).auroc is None
    assert check_parity(trial.network, run, trial.record, trial.films, np.zeros(40, np.int64)).auroc is None


def test_few_films_are_repeated_to_fill_the_largest_batch(trial, run) -> None:
    sizes = set()

    def watched(films, targets):
        sizes.add(len(films))
        return run(films, targets)

    report = check_parity(trial.network, watched, trial.record, trial.films[:3], trial.labels[:3])

    assert report.films == 3
    assert sizes >= {1, 2, 7, 32}
