"""The setting chooses the graph that answers, the answer says which, and nothing else is taken instead."""

import json
from hashlib import sha256

import numpy as np
import pytest

from bundle.opening import open_bundle
from schemas.errors import BundleError
from service.engine.engine import OnnxEngine
from service.models.loading import BundleLoader
from service.models.registry import BundleRegistry
from service.settings import EngineSettings
from tests.service.bundles import add_int8, change_manifest, replace_file, write_tiny_bundle
from tests.service.conftest import flat_film
from tests.waiting import until

SOON = {"model_poll_s": 0.01}


@pytest.fixture
def models(tmp_path):
    add_int8(write_tiny_bundle(tmp_path))
    return tmp_path


def loaded(models_dir, precision):
    registry = BundleRegistry(models_dir, None)
    return BundleLoader(OnnxEngine.open, EngineSettings(precision=precision)).load(
        registry.open(registry.candidates()[0])
    )


async def model_of(client):
    answer = await client.post("/predict", content=flat_film(200), headers={"Content-Type": "image/png"})
    return answer.json()["model"]


def refused(client):
    return {str(address): why for address, why in client.services.deployments.first.refused.items()}


def test_the_graph_of_the_precision_computes(models) -> None:
    films = np.full((1, 1, 32, 32), 0.7, np.float32)
    targets = np.array([-1])
    exact, reduced = (loaded(models, precision).engine.run(films, targets) for precision in ("fp32", "int8"))

    np.testing.assert_allclose(reduced.logits, 1.01 * exact.logits, rtol=1e-4)
    np.testing.assert_allclose(reduced.embedding, exact.embedding, rtol=1e-6)


def test_the_hash_is_that_of_the_graph_that_computed_and_of_the_manifest_for_fp32(models) -> None:
    directory = models / "tiny" / "1.0.0"
    digests = [loaded(models, precision).reference.sha256 for precision in ("fp32", "int8")]

    assert digests == [
        sha256((directory / name).read_bytes()).hexdigest() for name in ("manifest.json", "model.int8.onnx")
    ]


def test_a_reduced_graph_is_tested_with_its_own_golden_outputs(models) -> None:
    assert loaded(models, "int8").selftest_error < 1e-5

    wrong = (models / "tiny" / "1.0.0" / "golden.npz").read_bytes()
    replace_file(models / "tiny" / "1.0.0", "golden.int8.npz", wrong)  # those of fp32 are one percent off

    assert loaded(models, "int8").selftest_error > 1e-3


def test_beyond_the_tolerance_of_its_row_a_reduced_graph_is_refused(tmp_path) -> None:
    directory = write_tiny_bundle(tmp_path)
    add_int8(directory, tolerance=0.005)
    replace_file(directory, "golden.int8.npz", (directory / "golden.npz").read_bytes())

    assert loaded(tmp_path, "fp32").precision == "fp32"
    with pytest.raises(BundleError, match=r"golden \w+: off by"):
        loaded(tmp_path, "int8")


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_precision_that_was_not_tried_is_refused_with_what_there_is(tiny_models, precision) -> None:
    with pytest.raises(
        BundleError, match=rf"has no {precision} graph: it was not tried at the export; it offers fp32:"
    ):
        loaded(tiny_models, precision)


def test_a_precision_that_the_export_refused_is_refused_with_the_exports_reason(models) -> None:
    row = {"precision": "fp16", "method": "float16", "files": None, "refused": "98.7% of 780 films …", "figures": None}
    stated = json.loads((models / "tiny" / "1.0.0" / "manifest.json").read_text())["precisions"]
    change_manifest(models / "tiny" / "1.0.0", precisions=[*stated, row])

    with pytest.raises(
        BundleError, match=r"the export refused it: 98\.7% of 780 films …; it offers fp32, int8: choose"
    ):
        loaded(models, "fp16")


@pytest.mark.parametrize("name", ["model.int8.onnx", "golden.int8.npz"])
def test_a_flipped_byte_in_a_reduced_graph_is_found_whatever_precision_serves(models, name) -> None:
    path = models / "tiny" / "1.0.0" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(BundleError, match=rf"{name} has sha256 .* it was altered"):
        loaded(models, "fp32")


def test_a_manifest_without_precisions_offers_fp32_alone(models) -> None:
    directory = models / "tiny" / "1.0.0"
    stated = json.loads((directory / "manifest.json").read_text())
    del stated["precisions"]
    (directory / "manifest.json").write_text(json.dumps(stated))

    assert open_bundle(directory).manifest.offered == ("fp32",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows * 2, "precisions repeat"),
        (lambda rows: [rows[0] | {"files": None}], "either kept, with files, or refused, with the reason"),
        (lambda rows: [rows[0] | {"refused": "slow"}], "either kept, with files, or refused, with the reason"),
        (
            lambda rows: [rows[0] | {"files": {**rows[0]["files"], "graph": "model.onnx2"}}],
            "files must list model.onnx2",
        ),
    ],
)
def test_precisions_that_contradict_the_rest_are_refused(models, change, reason) -> None:
    directory = models / "tiny" / "1.0.0"
    stated = json.loads((directory / "manifest.json").read_text())
    change_manifest(directory, precisions=change(stated["precisions"]))

    with pytest.raises(BundleError, match=reason):
        open_bundle(directory)


@pytest.mark.anyio
async def test_answers_and_the_list_of_models_say_the_precision(serve, models) -> None:
    async with serve(models_dir=models, precision="int8") as client:
        write_tiny_bundle(models, version="0.9.0", current=False)
        answer = await model_of(client)
        listed = (await client.get("/models")).json()["models"]
        metrics = (await client.get("/metrics")).text

    assert answer["precision"] == "int8"
    assert [(row["version"], row["precision"]) for row in listed] == [("0.9.0", None), ("1.0.0", "int8")]
    assert f'digest="{answer["sha256"]}"' in metrics


@pytest.mark.anyio
async def test_without_the_precision_the_service_is_not_ready_and_says_why(serve, tiny_models) -> None:
    async with serve(models_dir=tiny_models, precision="int8") as client:
        ready = await client.get("/readyz")

    assert ready.status_code == 503
    assert "has no int8 graph" in ready.json()["detail"]


@pytest.mark.anyio
async def test_a_new_bundle_without_the_precision_is_refused_and_one_with_it_is_swapped_in(serve, models) -> None:
    async with serve(models_dir=models, precision="int8", **SOON) as client:
        write_tiny_bundle(models, version="2.0.0")
        await until(lambda: "tiny/2.0.0" in refused(client))
        kept = await model_of(client)
        add_int8(models / "tiny" / "2.0.0")
        await until(lambda: str(client.services.deployments.first.live.address) == "tiny/2.0.0")
        swapped = await model_of(client)

    assert (kept["version"], kept["precision"]) == ("1.0.0", "int8")
    assert (swapped["version"], swapped["precision"]) == ("2.0.0", "int8")
