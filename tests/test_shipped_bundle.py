"""The bundle in `models/`, judged through the real server process."""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.torch import save

from benchmarks.guide.renditions import by_name, compare
from benchmarks.resilience.server import running
from biostatistics.metrics import auroc
from bundle.opening import Bundle, open_bundle
from schemas.model.manifest import CURRENT, GOLDEN, GRAPH, WEIGHTS
from schemas.model.torch_network import TorchNetwork
from service.engine.engine import OnnxEngine
from service.engine.torch_heat_maps import TorchExplainer
from tests.service.bundles import change_manifest, replace_file
from tests.service.server import Server
from tests.unfolded import unfolded
from trainer.networks.architectures import architecture

ROOT = Path(__file__).parent.parent
MAX_BUNDLE_BYTES = 25_000_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(ROOT / "models" / (ROOT / "models" / CURRENT).read_text().strip())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server(ROOT / "models")
    yield running
    running.end()


def test_the_shipped_bundle_is_small_enough_to_live_in_the_repository(bundle) -> None:
    assert sum(record.size_bytes for record in bundle.manifest.files.values()) < MAX_BUNDLE_BYTES


def test_the_model_card_states_the_figures_of_the_manifest(bundle) -> None:
    card = (bundle.directory / "MODEL_CARD.md").read_text()

    assert {evaluation.data for evaluation in bundle.manifest.evaluation} >= {"validation", "test"}
    for evaluation in bundle.manifest.evaluation:
        assert str(evaluation.auroc) in card
    assert bundle.manifest.provenance.data_sha256[:12] in card
    assert bundle.manifest.provenance.git_commit[:12] in card
    assert re.search(r"research use", card, re.IGNORECASE)


@pytest.fixture(scope="module")
def weighted(bundle, tmp_path_factory) -> Bundle:
    """The bundle with weights for torch: those that it ships with, or else those that stand in its graph."""
    if bundle.manifest.torch is not None:
        return bundle
    row = architecture(bundle.manifest.architecture)
    manifest = bundle.manifest
    if row.timm_name is None:
        pytest.skip(f"{manifest.architecture} is not timm's, and the bundle ships without weights for torch")
    arguments = dict(row.timm_arguments)
    described = TorchNetwork(timm_name=row.timm_name, arguments=arguments, cam_layer=None, mean=row.mean, std=row.std)
    graph = onnx.load(bundle.directory / GRAPH)
    network = unfolded(graph, described, classes=len(manifest.classes), side=manifest.preprocess.size)
    if network is None:
        pytest.skip(f"the weights of {manifest.architecture} cannot be read back from its graph, and none are shipped")
    directory = Path(shutil.copytree(bundle.directory, tmp_path_factory.mktemp("shipped") / "bundle"))
    replace_file(directory, WEIGHTS, save({name: value.contiguous() for name, value in network.state_dict().items()}))
    change_manifest(directory, torch=described.model_dump(mode="json"))
    return open_bundle(directory)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
def test_torch_and_grad_cam_draw_the_heat_maps_of_the_graph(weighted, method) -> None:
    engine = OnnxEngine.open(weighted, provider="cpu", intra_op_threads=1)
    explainer = TorchExplainer.open(weighted, weighted.manifest.torch)
    with np.load(weighted.directory / GOLDEN, allow_pickle=False) as golden:
        films = golden["inputs"]
    for target in range(len(weighted.manifest.classes)):
        in_graph = engine.run(films, np.full(len(films), target)).maps[method]
        by_torch = np.stack([explainer.explain(film, target, method) for film in films])

        assert in_graph.max() > 0, "every map was empty: nothing was compared"
        assert np.abs(by_torch - in_graph).max() <= 1e-3 * in_graph.max()


@pytest.mark.real_data
@pytest.mark.slow
def test_the_official_test_films_score_over_http_what_the_trainer_measured(bundle, server, real_films) -> None:
    films = sorted((real_films / "kermany224" / "test").glob("*/*.jpeg"))
    finding = bundle.manifest.findings[0]

    def ask(film: Path) -> dict:
        return server.client.post("/predict", files={"file": film.read_bytes()}).raise_for_status().json()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, films))
    labels = np.array([film.parent.name == finding for film in films])
    probabilities = np.array([answer["prediction"]["probabilities"][finding] for answer in answers])
    stated = next(evaluation for evaluation in bundle.manifest.evaluation if evaluation.data == "test")
    at_operating_point = next(rule for rule in stated.labels if rule.rule == "operating point")
    called = np.array([answer["prediction"]["label"] == finding for answer in answers])

    assert len(films) == stated.films == 624
    assert round(float(auroc(labels, probabilities)), 4) == round(stated.auroc.value, 4)
    assert stated.auroc.value >= 0.96
    assert np.mean(called == labels) == pytest.approx(at_operating_point.accuracy.value, abs=1e-9)
    assert {answer["model"]["sha256"] for answer in answers} == {bundle.sha256}


@pytest.mark.real_data
@pytest.mark.slow
def test_a_film_is_judged_alike_in_every_size(real_films) -> None:
    copies, larger, originals = (
        by_name(real_films / name) for name in ("kermany224/train", "kermany_originals_640", "originals")
    )
    pairs = [(copies[name], larger[name]) for name in sorted(set(copies) & set(larger))[::8]]
    pairs += [(copies[name], path) for name, path in originals.items() if name in copies]
    with running(models_dir=ROOT / "models") as asked:
        compared = compare(asked, pairs)

    assert len(pairs) > 80
    assert np.median(compared.differences) <= 0.01, str(compared)
    assert compared.flipped <= 0.02 * len(pairs), str(compared)
