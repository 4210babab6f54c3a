"""Somebody's own ONNX file becomes a bundle that answers as it did, calibrated on labelled films, or is refused."""

import shutil
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
import typer
from safetensors.torch import save_file
from typer.testing import CliRunner

from bundle.golden import read_golden
from export.__main__ import AdoptOptions, app
from export.description import NetworkDescription
from export.options import options_of
from export.publish import verify_bundle
from schemas.model.manifest import GRAPH, WEIGHTS
from schemas.model.provenance import Adoption
from service.engine.engine import OnnxEngine
from service.engine.torch_heat_maps import TorchExplainer
from tests.export.adopt.conftest import MEAN, NETWORK, SIDE, STD
from tests.export.untrained import phantoms
from tests.films import encode, unlike, write_kermany


def test_an_adopted_network_answers_as_it_did_and_is_calibrated_and_judged_on_films_apart(adopt, theirs) -> None:
    code, printed, errors, directory = adopt()
    bundle, difference = verify_bundle(directory)
    manifest = bundle.manifest
    films = phantoms(5, SIDE)
    normalised = (films - np.array(MEAN, np.float32)[:, None, None]) / np.array(STD, np.float32)[:, None, None]
    (expected,) = onnxruntime.InferenceSession(theirs.graph).run(["scores"], {"pixel_values": normalised})
    outputs = OnnxEngine.open(bundle, provider="cpu", intra_op_threads=1).run(films, None)

    assert (code, errors) == (0, "")
    assert "theirs/1" in printed
    np.testing.assert_allclose(outputs.logits, expected, atol=1e-4 * np.abs(expected).max())
    assert difference["fp32"] < 1e-5
    assert (manifest.classes, manifest.negative_class, manifest.graph.cam_grid) == (
        ("NORMAL", "PNEUMONIA"),
        "NORMAL",
        None,
    )
    assert [(row.data, row.films, row.patients) for row in manifest.evaluation] == [
        ("validation", 104, 52),
        ("test", 104, 52),
    ]
    assert manifest.calibration.data == "validation: 104 films of 52 patients"
    assert manifest.calibration.out_of_distribution is None
    assert isinstance(manifest.provenance, Adoption)
    assert manifest.provenance.source.startswith("theirs.onnx sha256:")


def test_the_cards_of_an_adopted_network_claim_nothing_about_its_training(adopt) -> None:
    _, _, _, directory = adopt()
    card = (directory / "MODEL_CARD.md").read_text()

    assert "The network was trained elsewhere, on films that are not known here" in card
    assert "split by patient" not in card
    assert "checked against films one by one" in card
    assert "Not checked: this bundle cannot tell an unfamiliar film" in card


def test_an_adopted_network_is_explained_by_torch_with_the_weights_beside_it(adopt) -> None:
    _, _, _, directory = adopt(weights=True)
    bundle, _ = verify_bundle(directory)
    golden = read_golden(bundle)

    explainer = TorchExplainer.open(bundle, bundle.manifest.torch)
    cam = explainer.explain(golden["inputs"][0], 1, "gradcam++")

    assert WEIGHTS in bundle.manifest.files
    assert bundle.manifest.graph.cam_layer == "forward_features"
    assert cam.shape == (2, 2)


def test_the_names_of_the_owner_do_not_collide_with_those_of_the_contract(adopt, theirs, tmp_path) -> None:
    model = onnx.load(theirs.graph)
    renamed = {"pixel_values": "image", "scores": "probabilities"}
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    model.graph.input[0].name, model.graph.output[0].name = "image", "probabilities"
    onnx.save(model, tmp_path / "collides.onnx")

    code, _, errors, directory = adopt(replace(theirs, graph=tmp_path / "collides.onnx"))

    assert (code, errors) == (0, "")
    assert verify_bundle(directory)[1]["fp32"] < 1e-5


def with_softmax(theirs, folder):
    model = onnx.load(theirs.graph)
    model.graph.node.append(onnx.helper.make_node("Softmax", ["scores"], ["shares"], axis=1))
    model.graph.output[0].name = "shares"
    onnx.save(model, folder / "softmax.onnx")
    return replace(theirs, graph=folder / "softmax.onnx")


def test_a_softmax_is_no_logit_but_the_tensor_before_it_is_taken_and_said(adopt, theirs, tmp_path) -> None:
    spoilt = with_softmax(theirs, tmp_path)

    code, printed, _, directory = adopt(spoilt)
    named, _, _, _ = adopt(spoilt, logits="scores", version="2")
    contradicted, _, errors, _ = adopt(spoilt, activation="none", version="3")
    calibration = verify_bundle(directory)[0].manifest.calibration
    plain = adopt(version="4")[3].parent / "4"

    assert (code, named, contradicted) == (0, 0, 2)
    assert "the softmax is undone: scores, before it, is taken as logits" in printed
    assert calibration.temperature == verify_bundle(plain)[0].manifest.calibration.temperature
    assert "the graph has a Softmax behind scores, and --activation states none" in errors


def test_a_file_describes_the_network_and_options_override_it(theirs, tmp_path) -> None:
    (tmp_path / "theirs.safetensors").write_bytes(theirs.weights.read_bytes())
    described = tmp_path / "theirs.yaml"
    described.write_text(
        f"classes: [NORMAL, PNEUMONIA]\nsize: 96\nnegative_class: NORMAL\nmean: {list(MEAN)}\nstd: {list(STD)}\n"
        f"timm: {NETWORK}\nweights: theirs.safetensors\n"
    )
    taken = []

    @options_of(AdoptOptions, files={"network": "description"})
    def command(options: AdoptOptions) -> None:
        taken.append(options)

    program = typer.Typer()
    program.command()(command)
    given = ["--onnx", "a.onnx", "--films", "f", "--name", "theirs", "--version", "1", "--description", str(described)]
    result = CliRunner().invoke(program, [*given, "--size", str(SIDE), "--std", "0.5,0.5,0.5"])

    assert result.exit_code == 0, result.output
    (options,) = taken
    assert options.network == NetworkDescription(
        classes=("NORMAL", "PNEUMONIA"),
        size=SIDE,
        negative_class="NORMAL",
        mean=MEAN,
        std=(0.5, 0.5, 0.5),
        timm=NETWORK,
        weights=tmp_path / "theirs.safetensors",
    )
    assert (options.target_sensitivity, options.alpha) == (0.96, 0.1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("size: 64\n", "--classes: Field required"),
        ("classes: A,B\nsize: 64\nsides: 64\n", "sides: Extra inputs"),
        ("[1, 2]", "must hold a name and a value on each line"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused_with_the_reason(adopt, tmp_path, content, message) -> None:
    described = tmp_path / "theirs.yaml"
    described.write_text(content)
    options = ["adopt", "--onnx", "a", "--films", "f", "--name", "a", "--version", "1", "--description", str(described)]

    result = CliRunner().invoke(app, options, env={"COLUMNS": "300"})

    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": "NORMAL,COVID"}, "the films are of NORMAL, PNEUMONIA and the network of NORMAL, COVID"),
        ({"mean": "0.5", "std": "0.5"}, "--mean has 1 values and the graph's input 3 channels"),
        ({"mean": "half"}, "--mean: 'half' is not a number"),
        ({"size": 96}, f"must have one input float32 [N, C, 96, 96], and has pixel_values [0, 3, {SIDE}, {SIDE}]"),
        ({"logits": "nothing"}, "name the logits among the graph's tensors by --logits; its outputs are scores"),
        ({"onnx": __file__}, "test_adopt.py cannot be read as an ONNX graph"),
        ({"timm": NETWORK}, "--timm and --weights belong together"),
        ({"version": "../1"}, "choose another"),
        ({"resize": "stretch"}, "--resize: Input should be 'squash', 'pad' or 'crop'"),
        ({"shorter_side": 72}, "--shorter-side 72 belongs to --resize crop"),
        ({"resize": "crop", "shorter_side": 40}, f"--shorter-side 40 is below --size {SIDE}"),
        ({"resize": "crop", "shorter_side": 40, "size": None}, f"--shorter-side 40 is below {SIDE}, the side of the"),
        ({"patients": "(a"}, "--patients: (a is neither the name of a column nor a regular expression"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_remedy(adopt, options, message) -> None:
    code, _, errors, directory = adopt(**options)

    assert code == 2
    assert message in " ".join(errors.replace("│", " ").split())
    assert not directory.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timm": "hf-hub:timm/resnet50"}, "--timm: String should match pattern"),
        ({"timm": "test_resnet"}, "theirs.safetensors does not fit the network test_resnet"),
        ({"cam_layer": "no.layer"}, "correct --timm, --weights or --cam-layer"),
    ],
)
def test_weights_that_do_not_fit_their_description_are_refused(adopt, options, message) -> None:
    code, _, errors, directory = adopt(weights=True, **options)

    assert code == 2
    assert message in " ".join(errors.replace("│", " ").split())
    assert not directory.exists()


def test_weights_of_another_network_are_refused(adopt, theirs, tmp_path) -> None:
    torch.manual_seed(8)
    save_file(timm.create_model(NETWORK, num_classes=2).state_dict(), tmp_path / "other.safetensors")

    code, _, errors, directory = adopt(weights=True, theirs=replace(theirs, weights=tmp_path / "other.safetensors"))

    assert code == 2
    assert "other.safetensors are not the weights of the graph" in errors
    assert not directory.exists()


def with_reshape(theirs, folder, shape):
    """The graph of theirs, its scores in a shape that fixes the number of films."""
    model = onnx.load(theirs.graph)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(shape), "fixed_shape"))
    model.graph.node.append(onnx.helper.make_node("Reshape", ["scores", "fixed_shape"], ["fixed"]))
    model.graph.output[0].name = "fixed"
    onnx.save(model, folder / "fixed.onnx")
    return replace(theirs, graph=folder / "fixed.onnx")


@pytest.mark.parametrize("shape", [[1, 2], [2]], ids=str)
def test_a_graph_of_one_film_at_a_time_answers_a_batch_as_it_answered_each(adopt, theirs, tmp_path, shape) -> None:
    code, printed, errors, directory = adopt(with_reshape(theirs, tmp_path, shape))
    any_number = adopt(version="2")[3].parent / "2"
    films = phantoms(5, SIDE)
    fixed, free = (
        OnnxEngine.open(verify_bundle(folder)[0], provider="cpu", intra_op_threads=1).run(films, None).logits
        for folder in (directory, any_number)
    )

    assert (code, errors) == (0, "")
    assert "the graph takes one film at once and no other number: a batch is run in parts; exported with a" in printed
    np.testing.assert_allclose(fixed, free, atol=1e-4 * np.abs(free).max())


def test_a_graph_of_a_number_of_films_that_it_does_not_declare_is_refused(adopt, theirs, tmp_path) -> None:
    code, _, errors, _ = adopt(with_reshape(theirs, tmp_path, [4, 2]))

    assert code == 2
    assert "the graph does not run on [N, 3, 64, 64]" in errors
    assert "export it again with a dynamic first axis" in errors


def test_films_that_the_network_was_trained_on_do_not_calibrate_it(adopt, theirs, tmp_path) -> None:
    films = write_kermany(tmp_path / "films", patients=4, side=SIDE, splits=("train", "test"))

    code, _, errors, _ = adopt(replace(theirs, films=films))

    assert code == 2
    assert "has no validation films" in errors


def test_patients_are_read_as_the_user_states(adopt, theirs, tmp_path) -> None:
    films = shutil.copytree(theirs.films, tmp_path / "films")
    for number, path in enumerate(sorted(films.rglob("*.jpeg"))):
        path.rename(path.with_name(f"{path.parts[-3]}-{number // 4}-{number}.jpeg"))

    code, _, errors, directory = adopt(replace(theirs, films=films), patients=r"/([a-z]+-\d+)-")
    crossing, _, leak, _ = adopt(replace(theirs, films=films), patients=r"-(\d)\d*-", version="2")

    assert (code, errors) == (0, "")
    assert [row.patients for row in verify_bundle(directory)[0].manifest.evaluation] == [26, 26]
    assert crossing == 2
    assert "patient: " in leak


@pytest.mark.parametrize(("kind", "name"), [("copy", "IM-0555-0000.jpeg"), ("patient", "IM-0001-0007.jpeg")])
def test_a_patient_or_a_copy_that_decides_and_judges_stops_the_adoption(adopt, theirs, tmp_path, kind, name) -> None:
    films = shutil.copytree(theirs.films, tmp_path / "films")
    first = films / "val" / "NORMAL" / "IM-0001-0000.jpeg"
    other = encode(unlike(SIDE, seed=999_999))
    (films / "test" / "NORMAL" / name).write_bytes(first.read_bytes() if kind == "copy" else other)

    code, _, errors, directory = adopt(replace(theirs, films=films))

    assert code == 2
    assert f"{kind}: val/NORMAL/IM-0001-0000.jpeg = test/NORMAL/" in errors
    assert not directory.exists()


def test_the_graph_says_of_itself_what_the_manifest_says(adopt) -> None:
    _, _, _, directory = adopt()
    facts = onnxruntime.InferenceSession(directory / GRAPH).get_modelmeta().custom_metadata_map

    assert facts["classes"] == '["NORMAL","PNEUMONIA"]'
    assert facts["architecture"] == "theirs"
