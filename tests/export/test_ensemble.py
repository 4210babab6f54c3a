"""Rules of a mean of networks as a bundle: one graph that gives the mean, its heat map, and a gate of its own."""

import numpy as np
import pytest
import torch

from bundle.golden import check_golden
from bundle.opening import open_bundle
from bundle.session import Session, run_in_batches
from export.export import ExportOptions, write_bundle
from export.place import Place
from schemas.errors import BundleError, TrainingConfigError, TrainingDataError
from schemas.model.decision import softmax
from tests.export.test_guided import RECORD as GUIDE
from tests.trainer.conftest import small_run
from trainer.folder import RunFolder
from trainer.judging.outputs import SavedOutputs
from trainer.networks.build import build_network
from trainer.networks.ensemble import EnsembleNetwork
from trainer.networks.gradcam import explain
from trainer.runs.exportable import load_exportable
from trainer.trials.record import read_trial, write_trial


@pytest.fixture(scope="module")
def run(built_once):
    """A finished run of two networks with two seeds each."""
    options = {"networks.archs": ["cnn_baseline", "cnn_attention"], "networks.seeds": [0, 1], "learn.epochs": 1}
    return RunFolder(built_once("seeded_run", lambda folder: small_run(folder, options)) / "run")


@pytest.fixture(scope="module")
def mean(run):
    return load_exportable(run.trial("mean-of-2-seeds"))


@pytest.mark.slow
def test_the_graph_of_a_mean_gives_the_probabilities_that_the_run_judged(run, mean, tmp_path) -> None:
    directory = write_bundle(mean, Place(name="mean", version="1.0.0", out=tmp_path), ExportOptions(precisions=()))
    bundle = open_bundle(directory)
    films, _ = mean.inputs("val")
    graph = Session((directory / "model.onnx").read_bytes()).run
    outputs = run_in_batches(graph, films, np.ones(len(films), np.int64), 7)
    saved = SavedOutputs.read(run.trial("mean-of-2-seeds").outputs("validation"))
    record = read_trial(run.trial("mean-of-2-seeds"))

    assert outputs["probabilities"] == pytest.approx(softmax(saved.logits, record.calibration.temperature), abs=1e-5)
    assert outputs["gradcam"] == pytest.approx(explain(mean.network, films, np.ones(len(films), np.int64)), abs=1e-4)
    assert outputs["gradcam"].max() > 0
    assert check_golden(bundle, graph, "fp32").relative < 1e-3
    assert bundle.manifest.architecture == f"mean-of-2-seeds ({', '.join(record.members)})"
    assert bundle.manifest.calibration.out_of_distribution is not None
    assert bundle.manifest.graph.cam_layer == "joint"


def test_the_heat_map_of_two_equal_networks_is_twice_the_heat_map_of_one() -> None:
    torch.manual_seed(5)
    one = build_network("cnn_attention", classes=2, size=32).eval()
    two = EnsembleNetwork([one, one], [1.0, 1.0], size=32)
    films = torch.rand(3, 1, 32, 32)

    with torch.no_grad():
        assert torch.allclose(two(films).softmax(1), one(films).softmax(1), atol=1e-6)
    ours, theirs = ({"weights": torch.autograd.grad(*gradients(network, films))[0]} for network in (two, one))
    # Each member has half of the gradient, and the map is the sum over the members.
    assert torch.allclose(ours["weights"][:, :256] * 2, theirs["weights"], atol=1e-6)


def gradients(network, films):
    features = network.features(films).detach().requires_grad_()
    return network.head(features).log_softmax(1)[:, 1].sum(), features


def test_members_with_other_cells_or_other_films_are_refused_with_the_reason(run, tmp_path) -> None:
    with pytest.raises(TrainingConfigError, match=r"have (16 x 16, 4 x 4|4 x 4, 16 x 16) cells.*mean-of-N-seeds"):
        load_exportable(run.trial("mean-of-2-architectures"))

    folder = run.trial("mean-of-2-seeds")
    record = read_trial(folder)
    member = run.trial(record.members[1])
    before = read_trial(member)
    resized = before.preprocess.model_copy(update={"size": 48})
    refusals: dict[str, dict[str, object]] = {
        r"prepared differently \(.* at 32 x 32, .* at 48 x 48\)": {"preprocess": resized},
        "a mean of networks behind a guide": {"guide": GUIDE},
    }
    for message, changed in refusals.items():
        write_trial(member, before.model_copy(update=changed))
        try:
            with pytest.raises(TrainingDataError, match=message):
                load_exportable(folder)
        finally:
            write_trial(member, before)


def test_the_weights_of_a_mean_are_refused(mean, tmp_path) -> None:
    with pytest.raises(BundleError, match=r"mean-of-2-seeds \(.*\) is not built by timm alone"):
        write_bundle(mean, Place(name="mean", version="2.0.0", out=tmp_path), ExportOptions(with_weights=True))
